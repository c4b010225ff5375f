"""What stops a flow and is not its fault, said in the run's state message instead of a
traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import getfile, signature
from typing import ParamSpec

from prefect import Flow, flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.utilities.hashing import file_hash

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


def refusable_flow(
    name: str, flow_run_name: str | Callable[[], str] | None = None
) -> Callable[[Callable[P, State[None]]], Flow[P, State[None]]]:
    """Make a function a Prefect flow that shows an error of this software as the state *Refused*,
    with its sentence and without traceback.

    Errors that are not of this software stay what they are: a crash with its traceback.

    Parameters
    ----------
    name : str
        The flow's name.
    flow_run_name : str or callable, optional
        What its runs are called.
    """

    def decorate(body: Callable[P, State[None]]) -> Flow[P, State[None]]:
        @wraps(body)
        def run(*args: P.args, **kwargs: P.kwargs) -> State[None]:
            try:
                return body(*args, **kwargs)
            except REFUSALS as error:
                return refused(str(error))

        # Prefect would look up the types' names here, and take its version from this file.
        run.__signature__ = signature(body, eval_str=True)  # type: ignore[attr-defined]
        version = file_hash(getfile(body))
        return flow(name=name, version=version, flow_run_name=flow_run_name)(run)

    return decorate
