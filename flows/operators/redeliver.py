"""The flow `redeliver`: the structured report of a study is sent to its centre's PACS once more."""

from __future__ import annotations

from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.data.identity import meant_study
from flows.installation import Installation, installation
from flows.refusal import refusable_flow


@refusable_flow(name="redeliver", flow_run_name="{study_key}")
def redeliver(study_key: str) -> State[None]:
    """Send the newest structured report of a study again; the node's sender does it within seconds.

    Parameters
    ----------
    study_key : str
        The study's pseudonym, or its patient's where there is one study.
    """
    return Completed(message=deliver_again(installation(), study_key))


def deliver_again(work: Installation, study_key: str) -> str:
    """Queue the newest structured report of a study once more, and say which.

    Raises
    ------
    UnknownStudyError
        If there is no such study, or no report of it.
    """
    study_key = meant_study(work, study_key)
    path = work.registry.deliveries.redeliver(study_key)
    return f"The report {path.name} of study {study_key} is sent again."
