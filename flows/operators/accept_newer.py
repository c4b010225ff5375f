"""The flow `accept-newer`: an operator lets corrected data take the place of what came first."""

from __future__ import annotations

from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.archive.archive import Archive
from dicom_node.intake.acceptance import Accepted
from dicom_node.intake.acceptance import accept_newer as accept
from dicom_node.intake.names import Names
from feature_store.wording import counted
from flows.data.identity import meant_study
from flows.installation import Installation, installation
from flows.refusal import refusable_flow


@refusable_flow(name="accept-newer", flow_run_name="{study_key}")
def accept_newer(
    study_key: str, reason: str, accepted_by: str, instance_key: str | None = None
) -> State[None]:
    """Let the refused newer contents of a study's instances, or of one of them, take the place of
    the first ones. The older bytes stay kept, the study is decided after its quiet period, and who
    accepted it is recorded. An instance that came again in another study is in that one then, and
    both are decided.

    Parameters
    ----------
    study_key : str
        The study's pseudonym, or its patient's where there is one study.
    reason : str
        Why, in up to 300 characters. No patient's data.
    accepted_by : str
        Who decides.
    instance_key : str, optional
        Only this instance, by its pseudonym: the name of its file in the quarantine begins with it.
    """
    accepted = accept_in(installation(), study_key, reason, accepted_by, instance_key)
    return Completed(name="Accepted", message=accepted_in_words(accepted))


def accept_in(
    work: Installation,
    study_key: str,
    reason: str,
    accepted_by: str,
    instance_key: str | None = None,
) -> Accepted:
    """Accept what was refused of a study, or of one of its instances.

    Raises
    ------
    StudyStateError
        If there is no such study, or nothing newer of it.
    UnknownStudyError
        If nothing has the pseudonym.
    """
    archive = Archive(work.settings.node.folder)
    names = Names(work.pseudonym_key())
    key = meant_study(work, study_key)
    return accept(archive, work.registry, names, key, accepted_by, reason, instance_key)


def accepted_in_words(accepted: Accepted) -> str:
    """Return an acceptance as a sentence."""
    what = counted(accepted.instances, "instance")
    have = "has its" if accepted.instances == 1 else "have their"
    return (
        f"{what} of study {accepted.study_key} of centre {accepted.center} {have} newer content: "
        "the study is decided after its quiet period"
    )
