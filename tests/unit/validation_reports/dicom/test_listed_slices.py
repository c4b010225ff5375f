"""A report lists every slice of a CT, with the bytes that it has when each is listed as an
object.
"""

from __future__ import annotations

from copy import deepcopy
from io import BytesIO

import pytest
from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
)
from highdicom.sr import RelationshipTypeValues as Relationship
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage

from validation_reports.dicom import codes as concept
from validation_reports.dicom.listed_slices import list_every_slice

SERIES = "1.2.3.4"
UIDS = ("1.2.3.4.9", "1.2.3.4.10", "1.2.3.4.11", "1.2.3.4.100", "1.2.3")


def _ct(uid: str) -> Dataset:
    ct = Dataset()
    ct.SOPClassUID, ct.SOPInstanceUID, ct.SeriesInstanceUID = CTImageStorage, uid, SERIES
    return ct


def _named(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _container(concept_name: Code, items: list[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(concept_name, relationship_type=Relationship.CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def _report(listed: tuple[str, ...], *others: Dataset) -> Dataset:
    """Return what of a report matters here, with so many slices listed as objects."""
    modality = CodeContentItem(concept.MODALITY, concept.CT_MODALITY, Relationship.HAS_ACQ_CONTEXT)
    images = [
        ImageContentItem(
            concept.SOURCE, CTImageStorage, uid, relationship_type=Relationship.CONTAINS
        )
        for uid in listed
    ]
    group = _container(concept.IMAGE_LIBRARY_GROUP, [modality, *images])
    series, elsewhere, study = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID, elsewhere.SeriesInstanceUID = SERIES, "1.2.3.5"
    series.ReferencedSOPSequence = [*(_named(CTImageStorage, uid) for uid in listed), *others]
    elsewhere.ReferencedSOPSequence = [_named(RTStructureSetStorage, "1.2.3.5.1")]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = "1.2.3.0", [elsewhere, series]
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SpecificCharacterSet = "ISO_IR 192"
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.6"
    report.PatientName = "Müller^Jürgen"
    report.ContentSequence = [
        _container(concept.PATIENT_PAGE, [deepcopy(modality)]),
        _container(concept.IMAGE_LIBRARY, [group]),
    ]
    report.CurrentRequestedProcedureEvidenceSequence = [study]
    return report


def _bytes(report: Dataset) -> bytes:
    content = BytesIO()
    report.save_as(content, enforce_file_format=True)
    return content.getvalue()


@pytest.mark.parametrize("slices", [1, 2, len(UIDS)])
def test_the_bytes_are_those_of_objects(slices: int) -> None:
    uids = UIDS[:slices]
    listed = list_every_slice(_report(uids[:1]), [_ct(uid) for uid in uids])
    assert _bytes(listed) == _bytes(_report(uids))


def test_what_else_is_evidence_of_the_series_stays_behind_its_slices() -> None:
    drawn_on = _named(CTImageStorage, UIDS[3])
    contours = _named(RTStructureSetStorage, "1.2.3.4.77")
    listed = list_every_slice(_report(UIDS[:1], drawn_on, contours), [_ct(uid) for uid in UIDS])
    assert _bytes(listed) == _bytes(_report(UIDS, contours))


def test_what_was_listed_reads_as_objects() -> None:
    listed = list_every_slice(_report(UIDS[:1]), [_ct(uid) for uid in UIDS])
    group = listed.ContentSequence[1].ContentSequence[0]
    assert [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in group.ContentSequence
        if item.ValueType == "IMAGE"
    ] == list(UIDS)
    assert str(listed.PatientName) == "Müller^Jürgen"
