"""STOW-RS requests, as a sender makes them; the boundary of their bodies is ``limit``."""

from __future__ import annotations

from urllib.request import Request

from pydicom.dataset import Dataset

from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import encode

TOKEN = "token-that-is-only-used-in-tests"  # noqa: S105 - of nodes that live for one test


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


def stow_request(port: int, *files: bytes) -> Request:
    """Return a request to store files with the token of the tests."""
    return Request(
        f"http://127.0.0.1:{port}/dicom-web/studies",
        stow_body(*files),
        {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": 'multipart/related; type="application/dicom"; boundary=limit',
            "Accept": "application/dicom+json",
        },
    )
