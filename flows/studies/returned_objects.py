"""What goes back to the centre of one score: written to the disk before the score is recorded, so
that a delivery always has its file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import get_run_logger
from pydicom.dataset import Dataset

from dicom_node.center import ReturnedObject
from feature_store.errors import StudyDefect
from feature_store.imaging.regions import Region
from feature_store.imaging.regions_on_ct import RegionOnCt
from flows.installation import Installation
from flows.software_version import software_version
from flows.studies.earlier_results import predecessor_of, rejection_note_of
from flows.studies.editions import NOT_RETURNED, Edition, edition_of
from flows.studies.occlusion import occlusion_map_of
from flows.studies.page import pages_of
from flows.studies.scored import Scored, model_reference, regions_shown
from flows.studies.steps import StudyRun, study_task
from models.errors import FeatureMismatchError
from validation_reports.errors import PdfUnavailableError, StructuredReportError

if TYPE_CHECKING:
    from validation_reports.dicom.references import RoiReference
    from validation_reports.dicom.segments import Segment, ShownRegions


@study_task("write returned objects")
def write_returned(run: StudyRun, scored: Scored) -> dict[ReturnedObject, Path]:
    """Write what the centre takes of one score; the same score gives the same bytes.

    Returns
    -------
    dict of ReturnedObject to Path
        Each object's file. The structured report is always among them: it is kept here where the
        centre takes none.

    Raises
    ------
    StudyDefect
        If the study's own headers do not allow a report.
    StructuredReportError
        If an object cannot be written to the disk.
    """
    # highdicom takes seconds to import
    from validation_reports.dicom.files import write_dicom  # noqa: PLC0415
    from validation_reports.dicom.references import RoiReference  # noqa: PLC0415
    from validation_reports.dicom.segments import ShownRegions, segments_of  # noqa: PLC0415

    work, files, checked = run.work, run.files, scored.checked
    wanted, edition = _taken(work, files.center), edition_of(work, files, scored)
    roi = RoiReference(number=checked.study.gtv.number, name=checked.study.gtv.name)
    regions = regions_shown(work, scored)
    segments = segments_of(regions, checked.rtstruct, roi)
    warnings = list(scored.warnings)
    objects: dict[ReturnedObject, Dataset] = {}
    if ReturnedObject.SEG in wanted:
        try:
            objects[ReturnedObject.SEG] = _segmentation(run, scored, segments, regions, edition)
        except StructuredReportError as error:
            warnings.append(f"{NOT_RETURNED} {error}")
            get_run_logger().warning(warnings[-1])
    shown = ShownRegions(segments, regions, objects.get(ReturnedObject.SEG))
    predecessor = predecessor_of(work, files, edition)
    try:
        objects |= pages_of(run, scored, shown, warnings, predecessor, wanted, edition)
    except PdfUnavailableError as error:
        get_run_logger().warning(f"The patient's page is not returned. {error}")
    page = objects.get(ReturnedObject.PDF, objects.get(ReturnedObject.SC))
    try:
        objects[ReturnedObject.SR] = _structured_report(
            run, scored, roi, shown, warnings, page, predecessor, edition
        )
    except StructuredReportError as error:
        raise StudyDefect("structured-report", str(error)) from error
    objects |= _on_request(run, scored, wanted, edition)
    written = {}
    for kind, dataset in objects.items():
        path = work.returned_file(
            files.center, files.study_key, files.content_digest, kind, edition.number
        )
        if not path.exists():
            write_dicom(dataset, path)
        written[kind] = path
    return written


def _on_request(
    run: StudyRun, scored: Scored, wanted: Collection[ReturnedObject], edition: Edition
) -> dict[ReturnedObject, Dataset]:
    """Return what only centres take that ask for it, beside the report and what it names."""
    work, files, checked = run.work, run.files, scored.checked
    found: dict[ReturnedObject, Dataset] = {}
    if ReturnedObject.MAP in wanted:
        try:
            found[ReturnedObject.MAP] = occlusion_map_of(
                work,
                files,
                checked.ct_datasets,
                checked.study,
                scored.features,
                scored.answer.scored_at,
                edition,
            )
        except (FeatureMismatchError, StructuredReportError) as error:
            get_run_logger().warning(f"The occlusion map is not returned. {error}")
    if ReturnedObject.NOTE in wanted:
        note = rejection_note_of(run, scored, edition)
        if note is not None:
            found[ReturnedObject.NOTE] = note
    return found


def _taken(work: Installation, name: str) -> tuple[ReturnedObject, ...]:
    """Return what is sent to a centre: nothing, where it has no AE for it."""
    center = work.center(name)
    return () if center.return_to is None else center.returns


def _segmentation(
    run: StudyRun,
    scored: Scored,
    segments: Sequence[Segment],
    regions: Mapping[Region, RegionOnCt],
    edition: Edition,
) -> Dataset:
    from validation_reports.dicom.segmentation import build_segmentation  # noqa: PLC0415
    from validation_reports.dicom.uids import derived_uid  # noqa: PLC0415

    digest = run.work.bundle.digest
    return build_segmentation(
        scored.checked.ct_datasets,
        segments,
        regions,
        scored.checked.study.volume.spacing_mm[2],
        model_reference(run.work),
        software_version=software_version(),
        created_at=scored.answer.scored_at,
        sop_instance_uid=derived_uid(
            "segmentation", run.files.content_digest, digest, *edition.names
        ),
        series_instance_uid=derived_uid("segmentation-series", run.files.study_key, digest),
    )


def _structured_report(
    run: StudyRun,
    scored: Scored,
    roi: RoiReference,
    shown: ShownRegions,
    warnings: Sequence[str],
    page: Dataset | None,
    predecessor: Dataset | None,
    edition: Edition,
) -> Dataset:
    from validation_reports.dicom.patient_report import build_structured_report  # noqa: PLC0415
    from validation_reports.dicom.uids import derived_uid  # noqa: PLC0415
    from validation_reports.report.latest_performance import latest_performance  # noqa: PLC0415

    work, files, digest = run.work, run.files, run.work.bundle.digest
    return build_structured_report(
        ct_datasets=scored.checked.ct_datasets,
        rtstruct=scored.checked.rtstruct,
        roi=roi,
        risk=scored.answer.risk,
        model=model_reference(work),
        software_version=software_version(),
        warnings=warnings,
        created_at=scored.answer.scored_at,
        sop_instance_uid=derived_uid("instance", files.content_digest, digest, *edition.names),
        series_instance_uid=derived_uid("series", files.study_key, digest),
        center=files.center,
        performance=latest_performance(work.settings.reports_folder(), files.center, digest),
        shown=shown,
        page=page,
        predecessor=predecessor,
        over_contours=scored.over_contours,
    )
