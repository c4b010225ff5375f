"""The content tree of the structured report: TID 1500 with one measurement group on the contour
(PS3.16 annex A).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from models.combined.certainty import ScoreRange
from models.combined.combined_model import Risk
from validation_reports.dicom import codes as concept
from validation_reports.dicom.performance_items import performance_container, plain
from validation_reports.dicom.references import ModelReference, RoiReference
from validation_reports.dicom.region_groups import (
    measurement_group_on,
    region_groups,
    volume_measurement,
)
from validation_reports.dicom.segments import ShownRegions
from validation_reports.dicom.uids import derived_uid
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.latest_performance import CenterPerformance
from validation_reports.wording import range_words

_DEMONSTRATION_NOTICE = (
    "DEMONSTRATION MODEL, NOT FOR CLINICAL USE. It was trained on synthetic patients."
)
_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_HAS_ACQ_CONTEXT = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT


@dataclass(frozen=True)
class ScoreFacts:
    """Everything that the content tree says beside which instances were read.

    Parameters
    ----------
    roi : RoiReference
        The contour.
    risk : Risk
        The model's answer.
    model : ModelReference
        The frozen model.
    software_version : str
        Version of this software.
    warnings : tuple of str
        Sentences about the data behind the score.
    center : str
        The centre that the report is for.
    performance : CenterPerformance or NotEstimable
        What the latest validation at the centre found.
    over_contours : ScoreRange or None
        Where the score lies over other contours; `None` where that is not known.
    """

    roi: RoiReference
    risk: Risk
    model: ModelReference
    software_version: str
    warnings: tuple[str, ...]
    center: str
    performance: CenterPerformance | NotEstimable
    over_contours: ScoreRange | None = None


def measurement_report(
    ct_datasets: Sequence[Dataset],
    rtstruct: Dataset,
    facts: ScoreFacts,
    shown: ShownRegions | None = None,
    page: Dataset | None = None,
) -> Dataset:
    """Build the root container of the report.

    Parameters
    ----------
    ct_datasets : sequence of Dataset
        The CT instances that were scored, one series.
    rtstruct : Dataset
        The RT Structure Set that holds the contour.
    facts : ScoreFacts
        What is reported.
    shown : ShownRegions, optional
        What a viewer can show of the measured regions.
    page : Dataset, optional
        The patient's page, as document or picture.

    Returns
    -------
    Dataset
        TID 1500 "Measurement Report": observer, notice on the report's use, image library,
        measurement group, and how the model does at this centre.
    """
    model = facts.model
    report = sr.MeasurementReport(
        observation_context=observation_context(model, facts.software_version, facts.center),
        procedure_reported=concept.COMPUTED_TOMOGRAPHY,
        imaging_measurements=[
            _measurement_group(rtstruct, facts, shown),
            *([] if shown is None else region_groups(ct_datasets, shown)),
        ],
    )
    root = report[0].ContentSequence
    before_measurements = len(root) - 1
    root.insert(before_measurements, _image_library(ct_datasets[0]))
    root.insert(before_measurements, notice(model))
    root.append(performance_container(facts.performance))
    if page is not None:
        item = sr.CompositeContentItem if page.Modality == "DOC" else sr.ImageContentItem
        root.append(
            item(
                concept.PATIENT_PAGE,
                page.SOPClassUID,
                page.SOPInstanceUID,
                relationship_type=_CONTAINS,
            )
        )
    return report[0]


def observation_context(
    model: ModelReference, software_version: str, center: str
) -> sr.ObservationContext:
    """Return who observes: this software with this model, for this centre (TID 1002, TID 1004).

    Parameters
    ----------
    model : ModelReference
        The frozen model.
    software_version : str
        Version of this software.
    center : str
        The centre that the report is for.
    """
    device = sr.ObserverContext(
        observer_type=sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", software_version, model.digest),
            name=concept.MANUFACTURER,
            manufacturer_name=concept.MANUFACTURER,
            model_name=model.name,
            serial_number=model.digest,
            physical_location=center,
        ),
    )
    return sr.ObservationContext(observer_device_context=device)


def notice(model: ModelReference) -> sr.TextContentItem:
    """Return the item that says what the model may be used for, and first of all whether it is a
    demonstration.
    """
    words = (
        _DEMONSTRATION_NOTICE + " " if model.demonstration else ""
    ) + f"Intended use: {model.intended_use}"
    return sr.TextContentItem(concept.NOTICE, words, _CONTAINS)


def _image_library(first: Dataset) -> Dataset:
    """TID 1600 with the first slice, and what all slices share said once for the group."""
    group = sr.ContainerContentItem(concept.IMAGE_LIBRARY_GROUP, relationship_type=_CONTAINS)
    group.ContentSequence = sr.ContentSequence(
        [
            sr.CodeContentItem(concept.MODALITY, concept.CT_MODALITY, _HAS_ACQ_CONTEXT),
            sr.UIDRefContentItem(
                concept.SERIES_INSTANCE_UID, str(first.SeriesInstanceUID), _HAS_ACQ_CONTEXT
            ),
        ]
    )
    if first.get("FrameOfReferenceUID"):
        group.ContentSequence.append(
            sr.UIDRefContentItem(
                concept.FRAME_OF_REFERENCE_UID, str(first.FrameOfReferenceUID), _HAS_ACQ_CONTEXT
            )
        )
    group.ContentSequence.append(
        sr.ImageContentItem(
            concept.SOURCE, first.SOPClassUID, first.SOPInstanceUID, relationship_type=_CONTAINS
        )
    )
    library = sr.ContainerContentItem(concept.IMAGE_LIBRARY, relationship_type=_CONTAINS)
    library.ContentSequence = sr.ContentSequence([group])
    return library


def _measurement_group(rtstruct: Dataset, facts: ScoreFacts, shown: ShownRegions | None) -> Any:
    """TID 1411 on the segment of the contour, or TID 1501 on the contour where there is no
    segmentation: what was measured with which model, and what to mind.
    """
    risk, model = facts.risk, facts.model
    measurements = [
        sr.Measurement(concept.RISK_SCORE, float(risk.linear_predictor), concept.NO_UNITS)
    ]
    measurements += [
        sr.Measurement(concept.survival_concept(days), float(risk.survival[days]), concept.NO_UNITS)
        for days in sorted(risk.survival)
    ]
    measurements += _range_measurements(facts.over_contours)
    segment = None if shown is None else shown.segments[0]
    if shown is not None and segment is not None:
        measurements.append(volume_measurement(shown.regions[segment.region]))
    make, referenced = measurement_group_on(segment, shown)
    group = make(
        tracking_identifier=sr.TrackingIdentifier(
            uid=derived_uid("contour", str(rtstruct.SOPInstanceUID), str(facts.roi.number)),
            identifier=facts.roi.name,
        ),
        finding_type=concept.GROSS_TUMOUR_VOLUME,
        finding_sites=[sr.FindingSite(concept.LUNG)],
        algorithm_id=sr.AlgorithmIdentification(
            name=model.name,
            version=model.version,
            parameters=[
                f"model SHA-256 {model.digest}",
                f"software version {facts.software_version}",
            ],
            manufacturer=concept.MANUFACTURER,
        ),
        measurements=measurements,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(
                concept.RISK_GROUP, concept.HIGH if risk.high_risk else concept.LOW
            )
        ],
        **referenced,
    )
    items = group[0].ContentSequence
    items.append(
        sr.CompositeContentItem(
            concept.SOURCE_OF_MEASUREMENT,
            rtstruct.SOPClassUID,
            rtstruct.SOPInstanceUID,
            relationship_type=_CONTAINS,
        )
    )
    for name, text in (
        (concept.ROI_NUMBER, str(facts.roi.number)),
        (concept.MODEL_DIGEST, model.digest),
        (concept.SOFTWARE_VERSION, facts.software_version),
        *_range_text(facts),
        *((concept.WARNING, warning) for warning in facts.warnings),
    ):
        items.append(sr.TextContentItem(name, text, _CONTAINS))
    return group


def _range_measurements(found: ScoreRange | None) -> list[sr.Measurement]:
    """Return where the score lies over other contours, as numbers; none where it is not known."""
    if found is None:
        return []
    return [
        sr.Measurement(concept.RANGE_LOWER, float(found.p10), concept.NO_UNITS),
        sr.Measurement(concept.RANGE_UPPER, float(found.p90), concept.NO_UNITS),
        sr.Measurement(concept.OTHER_GROUP, 100 * found.other_group, concept.PERCENT),
    ]


def _range_text(facts: ScoreFacts) -> list[tuple[Code, str]]:
    """Return the same in words."""
    if facts.over_contours is None:
        return []
    words = range_words(facts.over_contours, high_risk=facts.risk.high_risk)
    return [(concept.OVER_CONTOURS, plain(words))]
