"""The flow `redeliver`: the structured report of a study is sent to its centre's PACS once more."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from dicom_node.errors import NodeError
from dicom_node.settings import SettingsError
from flows.installation import installation


@flow(name="redeliver", flow_run_name="{study_key}")
def redeliver(study_key: str) -> State[None]:
    """Send the newest structured report of a study again; the node's sender does it within seconds.

    Parameters
    ----------
    study_key : str
        The study's keyed pseudonym.
    """
    try:
        path = installation().registry.deliver_again(study_key)
    except (NodeError, SettingsError) as error:
        get_run_logger().error(str(error))
        return Failed(name="Refused", message=str(error))
    return Completed(message=f"the report {path.name} of study {study_key} is sent again")
