"""What a new score of a study replaces: the report that it supersedes, and the note that retires
what the PACS has of it.
"""

from __future__ import annotations

from prefect import get_run_logger
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.center import ReturnedObject
from dicom_node.registry.registry import StudyFiles
from feature_store.wording import are, counted
from flows.installation import Installation
from flows.software_version import software_version
from flows.studies.editions import Edition
from flows.studies.scored import Scored, model_reference
from flows.studies.steps import StudyRun

_NAMES = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]


def predecessor_of(work: Installation, files: StudyFiles, edition: Edition) -> Dataset | None:
    """Return the report that was made for the study before its content, the model or what was found
    changed, if there is one.
    """
    path = edition.before or work.registry.earlier_results.previous_report(
        files.study_key, files.content_digest, work.bundle.digest
    )
    return dcmread(path) if path is not None and path.exists() else None


def rejection_note_of(run: StudyRun, scored: Scored, edition: Edition) -> Dataset | None:
    """Return the note that retires what the PACS has of earlier results of the study, if it has
    anything.

    Raises
    ------
    StructuredReportError
        If it cannot be built.
    """
    # highdicom takes seconds to import
    from validation_reports.dicom.rejection_note import build_rejection_note  # noqa: PLC0415
    from validation_reports.dicom.uids import derived_uid  # noqa: PLC0415

    work, files, digest = run.work, run.files, run.work.bundle.digest
    which = (files.study_key, files.content_digest)
    mine = [
        work.returned_file(files.center, *which, kind, edition.number) for kind in ReturnedObject
    ]
    earlier = work.registry.earlier_results.to_retire(*which, digest, mine)
    there = [path for path in earlier if path.is_file()]
    if gone := len(earlier) - len(there):
        get_run_logger().warning(
            f"{gone} of {counted(len(earlier), 'object')} of earlier results of this study "
            f"{are(gone)} no longer in the node's folder, and {are(gone)} not retired in the PACS: "
            "bring them back from the back-up before the study is scored again, or retire them "
            "there by hand."
        )
    if not there:
        return None
    return build_rejection_note(
        scored.checked.ct_datasets[0],
        [dcmread(path, specific_tags=_NAMES) for path in there],
        model_reference(work),
        software_version=software_version(),
        created_at=scored.answer.scored_at,
        sop_instance_uid=derived_uid("rejection", files.content_digest, digest, *edition.names),
        series_instance_uid=derived_uid("rejection-series", files.study_key, digest),
    )
