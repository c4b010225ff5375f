"""Bodies of STOW-RS requests, as a sender makes them; their boundary is ``limit``."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import encode


def part10_file(dataset: Dataset, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> bytes:
    """Return a dataset in Explicit VR Little Endian as a file whose meta information may say
    otherwise.
    """
    meta = FileMeta(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax)
    return meta.header() + encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


def stow_body(*files: bytes) -> bytes:
    """Return files as the parts of one body."""
    parts = [b"--limit\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files]
    return b"".join(parts) + b"--limit--\r\n"
