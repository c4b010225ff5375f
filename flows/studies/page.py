"""The patient's page of one score: gathered from study, model and the centre's validation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.center import ReturnedObject
from dicom_node.datasets.text_as_sent import text_as_sent
from feature_store.imaging.regions import Region
from feature_store.wording import counted
from flows.installation import Installation
from flows.software_version import software_version
from flows.studies.editions import Edition
from flows.studies.scored import Scored, model_reference
from flows.studies.steps import StudyRun
from models.combined.combined_model import CombinedModel, Risk
from validation_reports.page.patient_page import Fact, PatientPage, patient_pdf, score_parts
from validation_reports.page.patient_plots import PredictedSurvival
from validation_reports.page.pdf_picture import DOTS_PER_INCH, picture_of
from validation_reports.page.region_pictures import region_pictures
from validation_reports.report.latest_performance import latest_performance
from validation_reports.wording import range_words

if TYPE_CHECKING:
    from validation_reports.dicom.segments import ShownRegions

DEMONSTRATION = "Demonstration model, not for clinical use. It was trained on synthetic patients."
_CERTAINTY = "How far the score would move with another contour is not known for this patient."


def pages_of(
    run: StudyRun,
    scored: Scored,
    shown: ShownRegions,
    warnings: Sequence[str],
    predecessor: Dataset | None,
    kinds: Collection[ReturnedObject],
    edition: Edition,
) -> dict[ReturnedObject, Dataset]:
    """Return the page of a score, which names the patient as received, as Encapsulated PDF and as
    Secondary Capture: those of both that are among `kinds`.

    Raises
    ------
    PdfUnavailableError
        If the system cannot lay out a page.
    StructuredReportError
        If it cannot be wrapped.
    """
    # highdicom takes seconds to import
    from validation_reports.dicom.encapsulated_pdf import patient_document  # noqa: PLC0415
    from validation_reports.dicom.secondary_capture import patient_picture  # noqa: PLC0415
    from validation_reports.dicom.uids import derived_uid  # noqa: PLC0415

    if not {ReturnedObject.PDF, ReturnedObject.SC} & set(kinds):
        return {}
    digest, ct = run.work.bundle.digest, scored.checked.ct_datasets[0]
    replaces = replaced_words(predecessor, digest, scored_again=edition.number > 1)
    page = patient_page(run, scored, shown, warnings, named(ct), replaces)
    pdf = patient_pdf(page)

    def about(kind: str) -> dict[str, Any]:
        return {
            "software_version": software_version(),
            "created_at": scored.answer.scored_at,
            "sop_instance_uid": derived_uid(kind, run.files.content_digest, digest, *edition.names),
            "series_instance_uid": derived_uid(f"{kind}-series", run.files.study_key, digest),
        }

    model, found = model_reference(run.work), {}
    if ReturnedObject.PDF in kinds:
        found[ReturnedObject.PDF] = patient_document(pdf, ct, model, **about("page"))
    if ReturnedObject.SC in kinds:
        pixels = picture_of(pdf)
        found[ReturnedObject.SC] = patient_picture(
            pixels, DOTS_PER_INCH, ct, model, **about("page-picture")
        )
    return found


def named(ct: Dataset) -> tuple[Fact, ...]:
    """Return whose page it is, for the PACS that sent it."""
    name = text_as_sent(ct, "PatientName").replace("^", " ").strip()
    return (
        ("Patient", name or "without a name"),
        ("ID", text_as_sent(ct, "PatientID").strip() or "none"),
        ("Born", _date(str(ct.get("PatientBirthDate") or ""))),
    )


def replaced_words(
    predecessor: Dataset | None, model_digest: str, *, scored_again: bool = False
) -> str | None:
    """Return which report a page replaces, and why there is a new one.

    Parameters
    ----------
    predecessor : Dataset or None
        The structured report that came before.
    model_digest : str
        Of the model that scored now.
    scored_again : bool
        Whether the same content and model gave it.
    """
    if predecessor is None:
        return None
    changed = (
        "contour or CT have changed since"
        if predecessor.get("DeviceSerialNumber") == model_digest
        else "it was made by another model"
    )
    if scored_again:
        changed = "scored again, the study has another contour, score or warning"
    made = _date(str(predecessor.get("ContentDate") or ""))
    return f"This replaces the result of {made}: {changed}."


def patient_page(
    run: StudyRun,
    scored: Scored,
    shown: ShownRegions,
    warnings: Sequence[str],
    who: tuple[Fact, ...],
    replaces: str | None,
) -> PatientPage:
    """Gather what stands on the page of a score.

    Parameters
    ----------
    run : StudyRun
        Settings, model and study.
    scored : Scored
        The score.
    shown : ShownRegions
        The regions on the CT's grid.
    warnings : sequence of str
        In full.
    who : tuple of (str, str)
        Whose page it is: `named`, or the pseudonym.
    replaces : str or None
        What it replaces.
    """
    work, files, study = run.work, run.files, scored.checked.study
    bundle = work.bundle
    model, answer = bundle.model, scored.answer
    rings = [segment for segment in shown.segments if segment.region is not Region.GTV]
    return PatientPage(
        who=(*who, ("Centre", files.center)),
        mark=DEMONSTRATION if bundle.facts.demonstration else "",
        intended_use=bundle.facts.intended_use,
        scored_at=answer.scored_at,
        risk=answer.risk,
        cutoff=model.cutoff,
        survival=predicted_survival(model, answer.risk),
        pictures=region_pictures(
            scored.checked.planes,
            study.gtv_mask,
            [shown.regions[ring.region].mask.whole() for ring in rings],
        ),
        region_facts=tuple(
            (segment.label, _size(shown, segment.region)) for segment in shown.segments
        ),
        parts=score_parts(answer.explanation),
        warnings=tuple(warnings),
        certainty=_CERTAINTY
        if scored.over_contours is None
        else range_words(scored.over_contours, high_risk=answer.risk.high_risk),
        performance=latest_performance(work.settings.reports_folder(), files.center, bundle.digest),
        origin=_origin(work, scored),
        replaces=replaces,
    )


def predicted_survival(model: CombinedModel, risk: Risk) -> PredictedSurvival:
    """Return the predicted survival curve of a patient and that of one at the cut-off."""
    days = model.baseline.days
    patient, cutoff = model.baseline.survival(days, [risk.linear_predictor, model.cutoff])
    return PredictedSurvival(
        days=_numbers(days),
        patient=_numbers(patient),
        cutoff=_numbers(cutoff),
        horizons=tuple(sorted(risk.survival.items())),
        high_risk=risk.high_risk,
    )


def _numbers(values: object) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=np.float64).tolist())


def _size(shown: ShownRegions, region: Region) -> str:
    found = shown.regions[region]
    size = f"{found.measured_mm3 / 1000:.2f} cm3 as measured"
    if region is Region.GTV:
        return size
    return f"{size}, {found.volume_mm3 / 1000:.2f} cm3 as shown, Dice {found.dice:.3f}"


def _origin(work: Installation, scored: Scored) -> tuple[Fact, ...]:
    checked, facts = scored.checked, work.bundle.facts
    contour, ct = checked.study.gtv, checked.ct_datasets
    return (
        ("Model", f"{facts.name} {facts.version}, SHA-256 {work.bundle.digest}"),
        ("Contour", f"{contour.name} (ROI {contour.number}) of {checked.rtstruct.SOPInstanceUID}"),
        ("CT", f"{counted(len(ct), 'slice')} of series {ct[0].SeriesInstanceUID}"),
        ("Software", f"Annulus {software_version()}"),
    )


def _date(value: str) -> str:
    """Write a date of DICOM with hyphens, anything else as it is."""
    if len(value) == 8 and value.isdigit():
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value or "unknown"
