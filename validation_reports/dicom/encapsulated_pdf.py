"""PDFs as DICOM objects (Encapsulated PDF IOD, PS3.3 section A.45.1): a validation report on a
centre, and a patient's page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import EncapsulatedPDFStorage

from validation_reports.dicom import codes as concept
from validation_reports.dicom.page_object import name, of_patient, stamp
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.stamps import source_time
from validation_reports.errors import StructuredReportError

if TYPE_CHECKING:  # it makes reports on centres, which nobody needs who scores
    from validation_reports.dicom.qa_study import QaStudy

_SERIES_NUMBER, _PATIENT_SERIES_NUMBER = 903, 905


def encapsulated_pdf(pdf: bytes, study: QaStudy, title: str, software_version: str) -> Dataset:
    """Wrap the PDF of a report on a centre.

    Parameters
    ----------
    pdf : bytes
        The document.
    study : QaStudy
        Under which identity it is kept.
    title : str
        Document Title (0042,0010), ASCII.
    software_version : str
        Version of this software.

    Returns
    -------
    Dataset
        With file meta information, ready for `files.write_dicom`.

    Raises
    ------
    StructuredReportError
        If the bytes are no PDF.
    """
    document = study.identity()
    document.SeriesNumber = _SERIES_NUMBER
    document.SeriesDescription = "Annulus validation report (PDF)"
    document.DocumentTitle = title
    document.ConceptNameCodeSequence = [_code(concept.VALIDATION_REPORT)]
    document.RecognizableVisualFeatures = "NO"
    _wrap(document, pdf, study.uid("document"), study.uid("document series"))
    stamp(document, study.created_at.astimezone(UTC), software_version)
    return document


def patient_document(
    pdf: bytes,
    ct: Dataset,
    model: ModelReference,
    *,
    software_version: str,
    created_at: datetime,
    sop_instance_uid: str,
    series_instance_uid: str,
    source: Sequence[Dataset] = (),
) -> Dataset:
    """Wrap a patient's page, in the study of the CT.

    Parameters
    ----------
    pdf : bytes
        The page.
    ct : Dataset
        An instance of the CT, whose patient and study it is.
    model : ModelReference
        The frozen model.
    software_version : str
        Version of this software.
    created_at : datetime
        Time-zone-aware moment of scoring.
    sop_instance_uid, series_instance_uid : str
        UIDs of the document (see `uids.derived_uid`).
    source : sequence of Dataset
        The objects whose content it shows: Source Instance Sequence (0042,0013).

    Returns
    -------
    Dataset
        With file meta information, ready for `files.write_dicom`.

    Raises
    ------
    StructuredReportError
        If the bytes are no PDF.
    """
    document = of_patient(ct, model)
    document.SeriesNumber = _PATIENT_SERIES_NUMBER
    document.DocumentTitle = document.SeriesDescription.removesuffix(" (page)")
    document.ConceptNameCodeSequence = [_code(concept.PATIENT_PAGE)]
    document.RecognizableVisualFeatures = "NO"
    if source:
        document.SourceInstanceSequence = [_reference(one) for one in source]
    _wrap(document, pdf, sop_instance_uid, series_instance_uid)
    stamp(document, source_time(created_at, ct), software_version)
    document.BurnedInAnnotation = "YES"
    return document


def _wrap(document: Dataset, pdf: bytes, uid: str, series_uid: str) -> None:
    """Make a dataset an Encapsulated PDF."""
    if not pdf.startswith(b"%PDF-"):
        raise StructuredReportError("The document of the report is not a PDF: render it again.")
    name(document, EncapsulatedPDFStorage, uid, series_uid)
    document.Modality = "DOC"
    document.BurnedInAnnotation = "NO"
    document.CodingSchemeIdentificationSequence = [_scheme()]
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)


def _reference(one: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
    return item


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item


def _scheme() -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator = concept.SCHEME
    item.CodingSchemeName = concept.SCHEME_NAME
    item.CodingSchemeResponsibleOrganization = concept.MANUFACTURER
    return item
