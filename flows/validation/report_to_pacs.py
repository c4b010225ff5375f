"""The report on one centre goes to that centre's PACS: as a structured report and a PDF, through
the delivery queue.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from dicom_node.pseudonym import patient_key, study_key
from flows.installation import Installation
from flows.software_version import software_version
from validation_reports.dicom.encapsulated_pdf import encapsulated_pdf
from validation_reports.dicom.qa_study import QaStudy, qa_study
from validation_reports.report.file_names import PDF_NAME
from validation_reports.report.validation_report import ValidationReport


def queue_center_report(work: Installation, report: ValidationReport, folder: Path) -> str:
    """Queue a report for delivery to its centre's PACS; the same findings are sent once, however
    often they are found.

    Parameters
    ----------
    work : Installation
        Settings, registry and pinned model.
    report : ValidationReport
        On one centre.
    folder : Path
        The report's files.

    Returns
    -------
    str
        What became of it.

    Raises
    ------
    SettingsError
        If the pseudonym key is not set.
    CohortError
        If the report is on several centres.
    StructuredReportError
        If an object cannot be built or written.
    """
    center = work.center(report.centers[0].center)
    if center.qa_patient_id is None:
        return f"nothing goes to the PACS of {center.name}: its settings name no qa_patient_id"
    if center.return_to is None:
        return f"nothing goes to the PACS of {center.name}: its settings have no return_to"
    key = work.pseudonym_key()
    known = {study.patient_key for study in work.registry.studies.summaries(center.name)}
    if patient_key(key, center.name, center.qa_patient_id) in known:
        return (
            f"nothing goes to the PACS of {center.name}: its qa_patient_id is the ID of a patient "
            "whose studies were received; set one that no patient has"
        )
    study = qa_study(report, center.qa_patient_id, folder.name)
    objects = _objects(work, report, study, folder)
    is_new = work.registry.deliveries.queue(
        center.name, study_key(key, center.name, study.uid("study")), work.bundle.digest, objects
    )
    if not is_new:
        return f"the PACS of {center.name} has been sent these findings before"
    without_pdf = "" if len(objects) > 1 else ", without the PDF, of which there is none here"
    return f"queued for the PACS of {center.name}{without_pdf}"


def _objects(
    work: Installation, report: ValidationReport, study: QaStudy, folder: Path
) -> dict[str, Path]:
    """Write the objects that are not there yet, and return each one's file by the digest that it is
    queued under.
    """
    # Highdicom takes seconds to import
    from validation_reports.dicom.center_report import center_report_sr  # noqa: PLC0415
    from validation_reports.dicom.files import write_dicom  # noqa: PLC0415
    from validation_reports.dicom.references import ModelReference  # noqa: PLC0415

    facts = work.bundle.facts
    model = ModelReference(
        facts.name, facts.version, work.bundle.digest, facts.demonstration, facts.intended_use
    )
    kept = (
        work.settings.node.folder
        / "structured_reports"
        / study.center
        / f"validation-{study.digest[:16]}"
    )
    pdf, document = folder / PDF_NAME, None
    objects = {}
    if pdf.is_file():
        title = f"External validation of {report.provenance.model_name}, centre {study.center}"
        document = encapsulated_pdf(pdf.read_bytes(), study, title, software_version())
        objects["document"] = document
    objects["report"] = center_report_sr(report, study, model, document, software_version())
    for name, dataset in objects.items():
        if not (kept / f"{name}.dcm").exists():
            write_dicom(dataset, kept / f"{name}.dcm")
    return {
        hashlib.sha256(f"{study.digest} {name}".encode()).hexdigest(): kept / f"{name}.dcm"
        for name in objects
    }
