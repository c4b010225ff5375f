"""A validation report's PDF as a DICOM object (Encapsulated PDF IOD, PS3.3 section A.45.1)."""

from __future__ import annotations

from datetime import UTC

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
)
from pydicom.valuerep import DA, DT, TM

from validation_reports.dicom import codes as concept
from validation_reports.dicom.qa_study import QaStudy
from validation_reports.errors import StructuredReportError

_SERIES_NUMBER = 903


def encapsulated_pdf(pdf: bytes, study: QaStudy, title: str, software_version: str) -> Dataset:
    """Wrap the PDF of a report.

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
    if not pdf.startswith(b"%PDF-"):
        raise StructuredReportError("The document of the report is not a PDF: render it again.")
    moment = study.created_at.astimezone(UTC)
    document = study.identity()
    document.file_meta = FileMetaDataset()
    document.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    document.file_meta.MediaStorageSOPInstanceUID = UID(study.uid("document"))
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    document.SOPClassUID = EncapsulatedPDFStorage
    document.SOPInstanceUID = study.uid("document")
    document.SeriesInstanceUID = study.uid("document series")
    document.SeriesNumber = _SERIES_NUMBER
    document.SeriesDescription = "Annulus validation report (PDF)"
    document.Modality = "DOC"
    document.Manufacturer = concept.MANUFACTURER
    document.SoftwareVersions = software_version
    document.ConversionType = "SYN"
    document.InstanceNumber = 1
    document.InstanceCreationDate = document.SeriesDate = document.ContentDate = DA(moment.date())
    document.InstanceCreationTime = document.SeriesTime = document.ContentTime = TM(
        moment.time().replace(microsecond=0)
    )
    document.AcquisitionDateTime = DT(moment.replace(microsecond=0))
    document.BurnedInAnnotation = "NO"
    document.RecognizableVisualFeatures = "NO"
    document.DocumentTitle = title
    document.ConceptNameCodeSequence = [_code(concept.VALIDATION_REPORT)]
    document.CodingSchemeIdentificationSequence = [_scheme()]
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return document


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
