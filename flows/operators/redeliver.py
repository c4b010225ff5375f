"""The flow `redeliver`: the structured report of a study is sent to its centre's PACS once more."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.installation import installation
from flows.refusal import or_refused


@flow(name="redeliver", flow_run_name="{study_key}")
def redeliver(study_key: str) -> State[None]:
    """Send the newest structured report of a study again; the node's sender does it within seconds.

    Parameters
    ----------
    study_key : str
        The study's keyed pseudonym.
    """
    return or_refused(_redeliver, study_key)


def _redeliver(study_key: str) -> State[None]:
    path = installation().registry.deliveries.redeliver(study_key)
    return Completed(message=f"the report {path.name} of study {study_key} is sent again")
