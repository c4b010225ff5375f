"""The flow `requeue`: studies that are held, failed, incomplete or quarantined are worked on
again.
"""

from __future__ import annotations

from typing import Annotated

from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from dicom_node.errors import NodeError
from dicom_node.registry.registry import StudyState
from flows.data.erased import refuse_work_on
from flows.data.identity import meant_study
from flows.installation import Installation, installation
from flows.refusal import refusable_flow, refused
from flows.runs.account import about
from flows.runs.parameters import at_most


class RequeueRequest(BaseModel):
    """Which studies are worked on again."""

    model_config = ConfigDict(extra="forbid")

    studies: Annotated[list[str], at_most(1000)] = Field(
        default_factory=list,
        description="Studies by their pseudonyms, or by those of patients of whom there is one.",
    )
    center: str | None = Field(
        default=None, description="Instead: all studies of this centre in the states below."
    )
    states: list[StudyState] = Field(
        default=[StudyState.HELD],
        description="With a centre: studies in these states (held, quarantined, incomplete).",
    )
    again: bool = Field(
        default=False, description="Also studies that are scored or extracted already."
    )


class RequeueError(NodeError, ValueError):
    """The request names no study, or no centre that there is."""


@refusable_flow(name="requeue")
def requeue(request: RequeueRequest) -> State[None]:
    """Let studies be worked on again: named ones, or all of a centre in given states.

    Parameters
    ----------
    request : RequeueRequest
        Either studies, or a centre with states.
    """
    done, not_done = requeue_studies(installation(), request)
    message = " ".join([again_in_words(len(done)), *not_done])
    return refused(message) if not_done else Completed(message=message)


def again_in_words(number: int) -> str:
    """Return how many studies are worked on again, as a sentence."""
    return f"{number} {'study is' if number == 1 else 'studies are'} worked on again."


def requeue_studies(work: Installation, request: RequeueRequest) -> tuple[list[str], list[str]]:
    """Put studies in the outbox again, one by one.

    Returns
    -------
    list of str
        The studies that are worked on again.
    list of str
        A sentence for each other one.

    Raises
    ------
    RequeueError
        If both studies and a centre are given, or neither.
    SettingsError
        If there is no such centre.
    """
    if bool(request.studies) == (request.center is not None):
        raise RequeueError(
            "The request names neither studies nor a centre, or both: give one of them."
        )
    keys = list(dict.fromkeys(request.studies))
    if request.center is not None:
        center = work.center(request.center).name
        about(center)
        keys = [
            study.study_key
            for study in work.registry.studies.summaries(center)
            if study.state in request.states
        ]
    done, refused = [], []
    for key in keys:
        try:
            study_key = meant_study(work, key)
            refuse_work_on(work, study_key)
            work.registry.outbox.requeue(study_key, also_finished=request.again)
            done.append(study_key)
        except NodeError as error:
            refused.append(str(error))
    return done, refused
