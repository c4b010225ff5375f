"""The slices of a CT that a report lists, in its image library and among its evidence.

The items of such a list differ in one UID only. Each is written once for every length that the UIDs
have, and repeated as bytes: as objects that are built, checked, copied and written one by one, the
hundred slices of a planning CT took a tenth of the time of its study.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence_item
from pydicom.tag import Tag

from validation_reports.dicom import codes as concept

_INSTANCE_UID: Final = b"\x08\x00\x55\x11UI"


def list_every_slice(report: Dataset, ct_datasets: Sequence[Dataset]) -> Dataset:
    """Return a report that lists all slices of a CT where it listed the first one.

    Parameters
    ----------
    report : Dataset
        With the first slice as the last item of its image library's group (PS3.16 TID 1600) and the
        first of its series among the evidence (PS3.3 section C.17.2.1).
    ct_datasets : sequence of Dataset
        The slices, one series, in the order in which they are listed.

    Returns
    -------
    Dataset
        The report, in Explicit VR Little Endian.
    """
    uids = [str(ct.SOPInstanceUID) for ct in ct_datasets]
    # What has been read is kept as bytes, and so are the lists.
    content = BytesIO()
    report.save_as(content, enforce_file_format=True)
    content.seek(0)
    listed = dcmread(content)
    group = _library_group(listed)
    *shared, first = group.ContentSequence
    _set_sequence(group, "ContentSequence", _encoded(shared) + _repeated(first, uids))
    series = _evidence_of(listed, str(ct_datasets[0].SeriesInstanceUID))
    first, *rest = series.ReferencedSOPSequence
    others = [one for one in rest if one.ReferencedSOPInstanceUID not in set(uids)]
    _set_sequence(series, "ReferencedSOPSequence", _repeated(first, uids) + _encoded(others))
    return listed


def _library_group(report: Dataset) -> Dataset:
    group: Dataset = next(
        item.ContentSequence[0]
        for item in report.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == concept.IMAGE_LIBRARY.value
    )
    return group


def _evidence_of(report: Dataset, series_instance_uid: str) -> Dataset:
    found: Dataset = next(
        series
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        if series.SeriesInstanceUID == series_instance_uid
    )
    return found


def _set_sequence(dataset: Dataset, keyword: str, items: bytes) -> None:
    tag = Tag(keyword)
    dataset[tag] = RawDataElement(tag, "SQ", len(items), items, 0, False, True)


def _encoded(items: Sequence[Dataset]) -> bytes:
    """Return the items of a sequence as they are written (PS3.5 section 7.5); their texts are
    ASCII.
    """
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, False
    for item in items:
        write_sequence_item(written, item, ["iso8859"])
    return written.getvalue()


def _repeated(item: Dataset, uids: Sequence[str]) -> bytes:
    """Return an item as it is written for each Referenced SOP Instance UID in turn."""
    holder = item if "ReferencedSOPInstanceUID" in item else item.ReferencedSOPSequence[0]
    around: dict[int, tuple[bytes, bytes]] = {}
    pieces: list[bytes] = []
    for uid in uids:
        value = _element(uid)
        if len(value) not in around:
            holder.ReferencedSOPInstanceUID = uid
            before, _, after = _encoded([item]).partition(value)
            around[len(value)] = before, after
        before, after = around[len(value)]
        pieces += (before, value, after)
    return b"".join(pieces)


def _element(uid: str) -> bytes:
    value = uid.encode("ascii") + b"\0" * (len(uid) % 2)
    return _INSTANCE_UID + len(value).to_bytes(2, "little") + value
