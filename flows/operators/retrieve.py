"""The flow `retrieve`: a list of patients or studies is fetched from its centre's PACS.

The list lies in a folder of the installation and is named by its file: no identifier is in a
parameter, a message or a log.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from dicom_node.clock import utc_now
from dicom_node.errors import StudyListError
from dicom_node.network.tls import client_context
from dicom_node.scu.caller import Caller
from dicom_node.scu.list_retrieval import ListRetrieval, result_in_words
from dicom_node.scu.query_retrieve import Limits
from dicom_node.scu.study_list import LineResult, Tally, read_list, results_of, tally
from flows.installation import Installation, installation
from flows.refusal import refusable_flow, refused
from flows.runs.account import about

_MOST_ROWS: Final = 1000
LISTS: Final = "retrieval_lists"
"""The folder of lists in the node's folder, with one for each centre."""


class RetrieveRequest(BaseModel):
    """Which list is fetched."""

    model_config = ConfigDict(extra="forbid")

    center: str = Field(description="The centre, as the settings file names it.")
    list: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.csv$",
        description="Name of the file in retrieval_lists/CENTER of the node's folder. No patient's "
        "data in the name.",
    )


@refusable_flow(name="retrieve", flow_run_name="{request.center} · {request.list}")
def retrieve(request: RetrieveRequest) -> State[None]:
    """Fetch the planning CT and the RTSTRUCT of each line of a list, within the hours and at the
    rate of the centre's settings. Results lie beside the list; another run goes on where this one
    ended.

    Parameters
    ----------
    request : RetrieveRequest
        A centre and its list.
    """
    work, logger = installation(), get_run_logger()
    about(work.center(request.center).name)
    slug = f"retrieve-{request.center.lower().replace('_', '-')}"
    artifact = cast(
        UUID, create_progress_artifact(0.0, key=f"{slug}-progress", description="Lines in per cent")
    )

    def tell(result: LineResult, done: float) -> None:
        logger.info("%s", result_in_words(result))
        update_progress_artifact(artifact, progress=100 * done)

    counted, rows = retrieve_list(work, request, tell)
    create_table_artifact(rows[:_MOST_ROWS], key=slug, description=f"List {request.list}")
    if counted.is_done:
        return Completed(message=counted.sentence)
    return refused(counted.sentence, name="Unfinished")


def list_file(work: Installation, request: RetrieveRequest) -> Path:
    """Return the file of a list.

    Raises
    ------
    SettingsError
        If there is no such centre.
    StudyListError
        If there is no such file.
    """
    center = work.center(request.center)
    file: Path = work.settings.node.folder / LISTS / center.name / request.list
    if not file.is_file():
        raise StudyListError(
            f"There is no {request.list} in {file.parent}: put the list there, and name its file."
        )
    return file


def retrieve_list(
    work: Installation, request: RetrieveRequest, tell: Callable[[LineResult, float], None]
) -> tuple[Tally, list[dict[str, str | int]]]:
    """Fetch what a list names and has no result yet.

    Parameters
    ----------
    work : Installation
        The installation.
    request : RetrieveRequest
        Which list.
    tell : callable
        Is called with each new result, and the part of the lines that have one.

    Returns
    -------
    Tally
        How far the list is.
    list of dict
        The result of each line.

    Raises
    ------
    SettingsError, StudyListError
        If there is no such centre or list, or it cannot be used.
    RetrievalError
        If the centre names no PACS to ask.
    UnreachableError
        If the PACS gives no association for too long.
    """
    file = list_file(work, request)
    node = work.settings.node
    lines = read_list(file)
    fetching = ListRetrieval(
        work.registry.retrievals,
        Caller(node.ae_title, client_context(node.tls)),
        work.center(request.center),
        node.folder / "archive",
        work.pseudonym_key(),
        Event(),
        utc_now,
        Limits(),
        waits_for_hours=False,
    )
    with results_of(file) as results:
        for one in fetching.run(lines, results):
            tell(one, 1 - tally(lines, results).left / len(lines))
        return tally(lines, results), [_row(one) for one in results.latest()]


def _row(result: LineResult) -> dict[str, str | int]:
    return {
        "line": result.line,
        "result": str(result.outcome),
        "patient": result.patient,
        "study": result.study,
        "instances": result.instances,
        "why": result.sentence,
    }
