"""One reading of each file of a study: digest, header, contours and pixels come from the same
bytes.

A file is opened once, its bytes are held against the digest that is expected of them before
anything is taken from them, and what later steps need is kept: headers as datasets without their
bulk, contours as points, and pixels still as bytes until they become Hounsfield units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from feature_store.errors import UnreadableInstance
from feature_store.imaging.ct_headers import UNREADABLE, CtHeaders, slice_header
from feature_store.imaging.structure_set import StructureSet, structure_set_of

_META_START = 132
_META_LENGTH_END = 144
"""Where the file meta information begins, and where its first element, its length, ends (PS3.10
section 7.1).
"""
_IMAGE_GROUP, _STRUCTURE_SET_GROUP, _PIXEL_GROUP = 0x00280000, 0x30060000, 0x7FE00000


class SlicePixels:
    """The stored pixels of slices, each of which can be taken once: what became Hounsfield units is
    not kept as bytes too.

    Parameters
    ----------
    images : sequence of Dataset
        The Image Pixel module of each slice, with its pixel data and file meta information.
    """

    def __init__(self, images: Sequence[Dataset]) -> None:
        self._images = dict(enumerate(images))

    def take(self, number: int) -> Dataset:
        """Return the pixels of slice `number`, counted from 0, and forget them.

        Raises
        ------
        LookupError
            If they were taken before.
        """
        if number not in self._images:
            raise LookupError(f"The pixels of slice {number} were taken before, or never read.")
        return self._images.pop(number)


@dataclass(frozen=True, eq=False)
class CtReading:
    """What was read of a CT series.

    Parameters
    ----------
    headers : CtHeaders
        The slices, ordered along their normal; `SliceHeader.number` leads to the other two.
    datasets : tuple of Dataset
        Everything before the pixels, in the order of the files.
    pixels : SlicePixels
        The pixels.
    """

    headers: CtHeaders
    datasets: tuple[Dataset, ...]
    pixels: SlicePixels


@dataclass(frozen=True, eq=False)
class RtstructReading:
    """What was read of an RTSTRUCT.

    Parameters
    ----------
    structure_set : StructureSet
        Its ROIs and contours.
    dataset : Dataset
        Everything before them: patient, study, series, equipment, Frame of Reference.
    """

    structure_set: StructureSet
    dataset: Dataset


@dataclass(frozen=True, eq=False)
class StudyReading:
    """What was read of a study: its CT and its contours."""

    ct: CtReading
    rtstruct: RtstructReading


def read_study(
    ct: Sequence[Path], rtstruct: Path, sha256: Mapping[Path, str] | None = None
) -> StudyReading:
    """Read the files of a study, each once.

    Parameters
    ----------
    ct : sequence of Path
        Files of CT Image Storage, in any order.
    rtstruct : Path
        A file of RT Structure Set Storage.
    sha256 : mapping of Path to str, optional
        For every file, the SHA-256 of its dataset's bytes that is expected; without it nothing is
        verified.

    Raises
    ------
    UnreadableInstance
        If a file has another digest, or is no usable DICOM of its kind.
    CtGeometryError
        If there is no CT file.
    """
    return StudyReading(rtstruct=read_rtstruct(rtstruct, sha256), ct=read_ct(ct, sha256))


def read_ct(paths: Sequence[Path], sha256: Mapping[Path, str] | None = None) -> CtReading:
    """Read the slices of a CT; as `read_study`.

    Returns
    -------
    CtReading
        Irregular geometry is told by the headers, not refused.
    """
    headers, datasets, images = [], [], []
    for number, path in enumerate(paths):
        which = f"CT instance {number + 1} of {len(paths)}"
        content = _content(path, sha256, "a CT slice")
        whole = _parsed(content, "unreadable-ct", f"{which} cannot be read as DICOM", "the series")
        dataset, image = whole[:_PIXEL_GROUP], whole[_IMAGE_GROUP:]
        dataset.file_meta = image.file_meta = whole.file_meta
        headers.append(slice_header(dataset, number, which))
        datasets.append(dataset)
        images.append(image)
    return CtReading(CtHeaders(tuple(headers)), tuple(datasets), SlicePixels(images))


def read_rtstruct(path: Path, sha256: Mapping[Path, str] | None = None) -> RtstructReading:
    """Read an RTSTRUCT; as `read_study`."""
    content = _content(path, sha256, "the RTSTRUCT")
    whole = _parsed(content, "unreadable-rtstruct", "The RTSTRUCT cannot be read as DICOM", "it")
    dataset = whole[:_STRUCTURE_SET_GROUP]
    dataset.file_meta = whole.file_meta
    return RtstructReading(structure_set_of(whole), dataset)


def _content(path: Path, sha256: Mapping[Path, str] | None, kind: str) -> bytes:
    """Return the bytes of a file, which are those that are expected."""
    if sha256 is None:
        return path.read_bytes()
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        content = b""
    if _dataset_sha256(content) != sha256[path]:
        raise UnreadableInstance(
            "changed-on-disk",
            f"The file of {kind} in the archive is not the one that was received: its SHA-256 is "
            f"expected to be {sha256[path][:16]}… and is not. Check the disk, remove the file and "
            "push the study anew.",
        )
    return content


def _dataset_sha256(content: bytes) -> str | None:
    """Return the SHA-256 of what follows the file meta information; `None` if there is none."""
    if content[_META_START - 4 : _META_START] != b"DICM" or len(content) < _META_LENGTH_END:
        return None
    length = int.from_bytes(content[_META_LENGTH_END - 4 : _META_LENGTH_END], "little")
    return hashlib.sha256(memoryview(content)[_META_LENGTH_END + length :]).hexdigest()


def _parsed(content: bytes, code: str, sentence: str, again: str) -> Dataset:
    try:
        dataset = dcmread(BytesIO(content))
        dataset.get("SOPClassUID"), dataset.get("Modality")  # values are parsed when asked for
    except UNREADABLE as error:
        raise UnreadableInstance(
            code, f"{sentence} ({type(error).__name__}). Send {again} again."
        ) from error
    return dataset
