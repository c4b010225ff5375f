"""The structured report for one patient, which goes back to the centre's PACS beside the study that
was scored.

Comprehensive 3D SR (PS3.3 section A.35.13) after TID 1500 "Measurement Report": the notice on its
use first, then the CT instances that were read, then one measurement group (TID 1501) on the
contour with the model (TID 4019), the score, the group, the survival probabilities and the
warnings, what a viewer can show of the measured regions, and last how the model does at this
centre. The same input gives the same bytes: every
date and UID is given by the caller or derived from what the report is about.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime

from highdicom import UID
from highdicom.sr import Comprehensive3DSR, ValueTypeValues
from highdicom.sr.utils import find_content_items
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from feature_store.wording import counted
from models.combined.certainty import ScoreRange
from models.combined.combined_model import Risk
from validation_reports.dicom import codes as concept
from validation_reports.dicom.identity import character_set, identity_of, restore, withhold
from validation_reports.dicom.listed_slices import list_every_slice
from validation_reports.dicom.patient_report_content import ScoreFacts, measurement_report
from validation_reports.dicom.performance_items import plain
from validation_reports.dicom.references import ModelReference, RoiReference
from validation_reports.dicom.segments import ShownRegions
from validation_reports.dicom.stamps import coding_schemes, set_clock, source_time
from validation_reports.dicom.uids import is_uid
from validation_reports.errors import StructuredReportError
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.latest_performance import CenterPerformance

_SERIES_NUMBER = 901


def build_structured_report(
    ct_datasets: Sequence[Dataset],
    rtstruct: Dataset,
    roi: RoiReference,
    risk: Risk,
    model: ModelReference,
    *,
    software_version: str,
    warnings: Sequence[str],
    created_at: datetime,
    sop_instance_uid: str,
    series_instance_uid: str,
    center: str,
    performance: CenterPerformance | NotEstimable,
    shown: ShownRegions | None = None,
    page: Dataset | None = None,
    predecessor: Dataset | None = None,
    over_contours: ScoreRange | None = None,
) -> Dataset:
    """Build the structured report of one score.

    Parameters
    ----------
    ct_datasets : sequence of Dataset
        The CT instances that were scored, one series; pixel data is not needed. The first one's
        patient and study attributes become the report's.
    rtstruct : Dataset
        The RT Structure Set that holds the contour; header attributes are enough.
    roi : RoiReference
        The contour in it.
    risk : Risk
        The model's answer.
    model : ModelReference
        The frozen model.
    software_version : str
        Version of this software, at most 64 characters.
    warnings : sequence of str
        Sentences about the data behind the score; each becomes a text item.
    created_at : datetime
        Time-zone-aware moment of scoring; it is written in the CT's own time zone where the CT
        names one.
    sop_instance_uid, series_instance_uid : str
        UIDs of the report (see `uids.derived_uid`).
    center : str
        The centre's name, written as the physical location that the report is for.
    performance : CenterPerformance or NotEstimable
        What the latest validation of this model at this centre found (see
        `latest_performance`).
    shown : ShownRegions, optional
        What a viewer can show of the measured regions; then `ct_datasets` are in the order of the
        slices of these.
    page : Dataset, optional
        The patient's page, as document or picture, which the report names.
    predecessor : Dataset, optional
        The report that this one supersedes (PS3.3 section C.17.2.2), of the same patient and study.
    over_contours : ScoreRange, optional
        Where the score lies over other contours.

    Returns
    -------
    Dataset
        A Comprehensive 3D SR with file meta information, ready for `write_dicom`.

    Raises
    ------
    StructuredReportError
        If the instances are of two patients, series or kinds, or a value cannot stand in a report.
    """
    _check_evidence(ct_datasets, rtstruct)
    _check_values(risk, software_version, created_at, (sop_instance_uid, series_instance_uid))
    facts = ScoreFacts(
        roi, risk, model, software_version, tuple(warnings), center, performance, over_contours
    )
    identity = identity_of(ct_datasets[0])
    found = plain(
        performance.sentence
        if isinstance(performance, NotEstimable)
        else performance.calibration.answer
    )
    texts = (roi.name, model.name, model.version, model.intended_use, center, found, *warnings)
    charset = character_set(identity, texts)
    local = source_time(created_at, ct_datasets[0])
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # its lower levels log UIDs
    as_sent = withhold(identity)
    segmentation = None if shown is None else shown.segmentation
    named = [one for one in (segmentation, page) if one is not None]
    content = measurement_report(ct_datasets, rtstruct, facts, shown, page)
    in_content = _images_in(content)
    drawn_on = [ct for ct in ct_datasets[1:] if ct.SOPInstanceUID in in_content]
    report = Comprehensive3DSR(
        evidence=[identity, *drawn_on, rtstruct, *named],
        content=content,
        series_instance_uid=UID(series_instance_uid),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=UID(sop_instance_uid),
        instance_number=1
        if predecessor is None
        else int(predecessor.get("InstanceNumber") or 1) + 1,
        previous_versions=None if predecessor is None else [predecessor],
        manufacturer=concept.MANUFACTURER,
        manufacturer_model_name=model.name[:64],
        software_versions=software_version,
        device_serial_number=model.digest,
        series_description=(
            f"Annulus prognosis{' DEMONSTRATION' if model.demonstration else ''}: {roi.name}"
        )[:64],
        is_complete=True,
        is_final=False,
        is_verified=False,
        specific_character_set=charset,
        content_date=local.date(),
        content_time=local.time().replace(microsecond=0),
        series_date=local.date(),
        series_time=local.time().replace(microsecond=0),
        coding_schemes=coding_schemes(),
    )
    set_clock(report, local)
    restore(report, as_sent)
    return list_every_slice(report, ct_datasets)


def _images_in(content: Dataset) -> set[str]:
    items = find_content_items(content, value_type=ValueTypeValues.IMAGE, recursive=True)
    return {str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for item in items}


def _check_evidence(ct_datasets: Sequence[Dataset], rtstruct: Dataset) -> None:
    if not ct_datasets:
        raise StructuredReportError(
            "No CT instance was given: a report must name the series that was scored."
        )
    if any(str(ct.get("SOPClassUID", "")) != CTImageStorage for ct in ct_datasets):
        raise StructuredReportError(
            "An instance given as CT is of another SOP class: expected CT Image Storage only."
        )
    if str(rtstruct.get("SOPClassUID", "")) != RTStructureSetStorage:
        raise StructuredReportError(
            "The contour's instance is of another SOP class: expected RT Structure Set Storage."
        )
    series = {(ct.StudyInstanceUID, ct.SeriesInstanceUID) for ct in ct_datasets}
    if len(series) > 1:
        raise StructuredReportError(
            f"The CT instances belong to {counted(len(series), 'series', 'series')}, expected one: "
            "report each apart."
        )
    if len({ct.SOPInstanceUID for ct in ct_datasets}) != len(ct_datasets):
        raise StructuredReportError(
            "A CT instance was given twice: give each instance of the series once."
        )
    everything = (*ct_datasets, rtstruct)
    patients = {str(dataset.get("PatientID") or "").strip() for dataset in everything}
    if patients == {""}:  # without an ID only the name can tell patients apart
        patients = {
            str(dataset.get("PatientName") or "").strip("^ ").casefold() for dataset in everything
        }
    if len(patients) > 1:
        raise StructuredReportError(
            f"The CT instances and the RT Structure Set name {counted(len(patients), 'patient')}, "
            "expected one: nothing is reported until the source system has mended the identity."
        )


def _check_values(
    risk: Risk, software_version: str, created_at: datetime, uids: tuple[str, str]
) -> None:
    if not math.isfinite(risk.linear_predictor):
        raise StructuredReportError(
            "The risk score is not a finite number: nothing can be reported."
        )
    for days, probability in risk.survival.items():
        if not 0.0 <= probability <= 1.0:  # refuses NaN too
            raise StructuredReportError(
                f"The survival at {days} days is {probability}, expected a probability in 0-1."
            )
    if not 0 < len(software_version) <= 64:
        raise StructuredReportError(
            f"The software version has {counted(len(software_version), 'character')}, expected "
            "1-64."
        )
    if created_at.tzinfo is None:
        raise StructuredReportError(
            "The moment of scoring has no time zone: give an aware datetime."
        )
    for uid in uids:
        if not is_uid(uid):
            raise StructuredReportError(
                "The report's own UID is not a UID: expected digits and dots, at most 64 "
                "characters."
            )
    if uids[0] == uids[1]:
        raise StructuredReportError(
            "The report's SOP and Series Instance UID are the same: give two."
        )
