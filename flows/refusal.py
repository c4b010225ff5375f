"""What stops a flow and is not its fault, said in the run's state message instead of a
traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from dicom_node.errors import NodeError
from dicom_node.settings import SettingsError
from feature_store.errors import FeatureStoreError, StudyDefect
from models.errors import ModelError
from validation_reports.errors import ValidationReportError

REFUSALS = (
    SettingsError,
    NodeError,
    FeatureStoreError,
    StudyDefect,
    ModelError,
    ValidationReportError,
)
"""Errors of this software whose message is a sentence for the person who started the run."""
REFUSED = "Refused"
"""Name of the state of a run that could not do what was asked."""

P = ParamSpec("P")


def refused(sentence: str, name: str = REFUSED) -> State[None]:
    """Log the sentence and return it as the failed state of the run."""
    get_run_logger().error(sentence)
    return Failed(name=name, message=sentence)


def or_refused(body: Callable[P, State[None]], *args: P.args, **kwargs: P.kwargs) -> State[None]:
    """Return the state that `body` returns, or *Refused* with the sentence of the error that
    stopped it.

    Errors that are not of this software stay what they are: a crash with its traceback.
    """
    try:
        return body(*args, **kwargs)
    except REFUSALS as error:
        return refused(str(error))
