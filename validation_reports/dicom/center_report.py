"""The validation report on one centre as a Comprehensive SR (PS3.3 section A.35.3): its first
screen and main numbers.

The whole report is the PDF that lies beside it in the same study. No template of PS3.16 describes
the validation of a prognostic model, so the content tree is the one of this module; its concepts
are those of `codes`.
"""

from __future__ import annotations

import logging
from datetime import UTC

from highdicom import UID, sr
from highdicom.sr import ComprehensiveSR
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage

from validation_reports.dicom import codes as concept
from validation_reports.dicom.patient_report_content import notice, observation_context
from validation_reports.dicom.performance_items import (
    container,
    count_item,
    estimate_item,
    performance_container,
    text,
)
from validation_reports.dicom.qa_study import QaStudy
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.stamps import coding_schemes, set_clock
from validation_reports.report.center_result import CenterResult
from validation_reports.report.latest_performance import center_performances
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.calibration import HorizonCalibration

_SERIES_NUMBER = 902


def center_report_sr(
    report: ValidationReport,
    study: QaStudy,
    model: ModelReference,
    document: Dataset | None,
    software_version: str,
) -> Dataset:
    """Build the structured report on one centre.

    Parameters
    ----------
    report : ValidationReport
        On one centre alone.
    study : QaStudy
        Under which identity it is kept.
    model : ModelReference
        The frozen model.
    document : Dataset or None
        The whole report, from `encapsulated_pdf`; `None` where there is no PDF.
    software_version : str
        Version of this software.

    Returns
    -------
    Dataset
        A Comprehensive SR with file meta information, ready for `files.write_dicom`.
    """
    moment = study.created_at.astimezone(UTC)
    evidence = document
    if (
        evidence is None
    ):  # the library takes patient and study from evidence, so it gets the identity as one
        evidence = study.identity()
        evidence.SOPClassUID, evidence.SOPInstanceUID = (
            ComprehensiveSRStorage,
            study.uid("no document"),
        )
        evidence.SeriesInstanceUID = study.uid("no document series")
    content = _content(report, study, model, document, software_version)
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # its lower levels log UIDs
    built = ComprehensiveSR(
        evidence=[evidence],
        content=content,
        record_evidence=document is not None,
        series_instance_uid=UID(study.uid("report series")),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=UID(study.uid("report")),
        instance_number=1,
        manufacturer=concept.MANUFACTURER,
        manufacturer_model_name=model.name[:64],
        software_versions=software_version,
        device_serial_number=model.digest,
        series_description="Annulus validation report",
        is_complete=True,
        is_final=True,
        is_verified=False,
        specific_character_set=None if _is_ascii(content) else "ISO_IR 192",
        content_date=moment.date(),
        content_time=moment.time().replace(microsecond=0),
        series_date=moment.date(),
        series_time=moment.time().replace(microsecond=0),
        coding_schemes=coding_schemes(),
    )
    built.StudyDescription = study.identity().StudyDescription
    built.TimezoneOffsetFromUTC = "+0000"
    set_clock(built, moment)
    return built


def _content(
    report: ValidationReport,
    study: QaStudy,
    model: ModelReference,
    document: Dataset | None,
    software_version: str,
) -> Dataset:
    result, (performance,) = report.centers[0], center_performances(report, study.report_id)
    root = sr.ContainerContentItem(concept.VALIDATION_REPORT, is_content_continuous=False)
    root.ContentSequence = sr.ContentSequence(
        [
            sr.CodeContentItem(
                concept.LANGUAGE, concept.ENGLISH, sr.RelationshipTypeValues.HAS_CONCEPT_MOD
            ),
            *observation_context(model, software_version, study.center),
            notice(model),
            container(
                concept.MODEL,
                [
                    text(concept.MODEL_NAME, f"{model.name} {model.version}"),
                    text(concept.MODEL_DIGEST, model.digest),
                    text(concept.SOFTWARE_VERSION, software_version),
                ],
            ),
            container(
                concept.SUMMARY,
                [
                    text(concept.SUMMARY_LINE, f"{line.question} {line.verdict}: {line.answer}")
                    for line in headline(report)
                ],
            ),
            performance_container(performance),
            container(concept.STATISTICS, _statistics(result, report.confidence)),
            container(concept.PATIENTS_EXCLUDED, _excluded(result)),
        ]
    )
    if document is not None:
        root.ContentSequence.append(
            sr.CompositeContentItem(
                concept.FULL_REPORT,
                document.SOPClassUID,
                document.SOPInstanceUID,
                relationship_type=sr.RelationshipTypeValues.CONTAINS,
            )
        )
    return root


def _statistics(result: CenterResult, confidence: float) -> list[sr.ContentItem]:
    found = [estimate_item(concept.UNO_CONCORDANCE, result.uno, confidence)]
    found += [estimate_item(concept.auc_concept(days), auc, confidence) for days, auc in result.auc]
    found.append(estimate_item(concept.HAZARD_RATIO, result.risk_groups.hazard_ratio, confidence))
    found.append(estimate_item(concept.CALIBRATION_SLOPE, result.calibration.slope, confidence))
    found.append(estimate_item(concept.HAZARD_SCALE_RATIO, result.calibration.hazard, confidence))
    for days, at in result.calibration.horizons:
        ratio = at.ratio if isinstance(at, HorizonCalibration) else at
        found.append(estimate_item(concept.ratio_concept(days), ratio, confidence))
    return found


def _excluded(result: CenterResult) -> list[sr.ContentItem]:
    reasons = [
        text(concept.REASON_EXCLUDED, f"{len(keys)}: {reason}") for reason, keys in result.excluded
    ]
    return [count_item(concept.PATIENTS_EXCLUDED, result.n_excluded), *reasons]


def _is_ascii(content: Dataset) -> bool:
    return all(
        str(element.value).isascii()
        for element in content.iterall()
        if element.VR in ("LO", "UT", "SH")
    )
