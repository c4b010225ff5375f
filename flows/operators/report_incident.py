"""The flow `report-incident`: what the DICOM node refused, made visible where data managers
look.
"""

from __future__ import annotations

from prefect import runtime
from prefect.client.schemas.objects import State

from feature_store.wording import counted
from flows.refusal import refusable_flow, refused
from flows.runs.account import about


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return f"{parameters['center']} · {parameters['kind']}"


@refusable_flow(name="report-incident", flow_run_name=_run_name)
def report_incident(kind: str, center: str, sentence: str, count: int) -> State[None]:
    """Show one refusal of the DICOM node as a run.

    Parameters
    ----------
    kind : str
        What kind of refusal it was, as the registry names it.
    center : str
        The centre's name, or ``unknown`` or ``all``.
    sentence : str
        What was refused, why, and how to mend it.
    count : int
        How often it has happened.
    """
    del kind  # it names the run
    about(center)
    message = f"{sentence} It was seen {counted(count, 'time')}." if count > 1 else sentence
    return refused(message)
