"""What stops a flow and is not its fault, said in the run's state message instead of a
traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import getfile, signature
from typing import Any, ParamSpec

from prefect import Flow, flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.states import Failed
from prefect.utilities.hashing import file_hash

from dicom_node.errors import NodeError
from dicom_node.settings import SettingsError
from feature_store.errors import FeatureStoreError, StudyDefect
from flows.runs.account import account, tag_this_run, with_warnings
from flows.runs.forms import with_help
from flows.runs.parameters import WrongParametersError, checked
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
    get_run_logger().error("%s", sentence)
    return Failed(name=name, message=sentence)


def refusable_flow(
    name: str, flow_run_name: str | Callable[[], str] | None = None
) -> Callable[[Callable[P, State[None]]], Flow[P, State[None]]]:
    """Make a function a Prefect flow that shows an error of this software, and parameters that
    cannot be meant, as the state *Refused*, with a sentence and without traceback.

    Its runs have tags for centres and outcome, and warnings in their message. Errors that are not
    of this software stay what they are: a crash with its traceback.

    Parameters
    ----------
    name : str
        The flow's name.
    flow_run_name : str or callable, optional
        What its runs are called.
    """

    def decorate(body: Callable[P, State[None]]) -> Flow[P, State[None]]:
        taken = signature(body, eval_str=True)

        def check(*args: Any, **kwargs: Any) -> dict[str, Any]:
            return checked(taken, form, args, kwargs)

        def ended(*args: P.args, **kwargs: P.kwargs) -> State[None]:
            try:
                return body(**check(*args, **kwargs))  # type: ignore[call-arg]
            except (*REFUSALS, WrongParametersError) as error:
                return refused(str(error))

        @wraps(body)
        def run(*args: P.args, **kwargs: P.kwargs) -> State[None]:
            with account() as told:
                state = ended(*args, **kwargs)
                if told.warnings:
                    words = with_warnings(state.message or state.name or "", told.warnings)
                    state = state.model_copy(update={"message": words})
                tag_this_run(told, state)
                return state

        def run_name() -> str:
            try:
                return str(flow_run_name).format(**check(**runtime.flow_run.parameters))
            except WrongParametersError:
                return name

        # Prefect would look up the types' names here, and take its version from this file.
        run.__signature__ = taken  # type: ignore[attr-defined]
        made = flow(
            name=name,
            version=file_hash(getfile(body)),
            flow_run_name=run_name if isinstance(flow_run_name, str) else flow_run_name,
            validate_parameters=False,
            # nothing is kept, but Prefect would ask the server for a place at each run
            persist_result=False,
            result_storage=get_current_settings().results.local_storage_path,
        )(run)
        form = with_help(made.parameters.model_dump(), body.__doc__)
        return made

    return decorate
