"""One reading gives header, pixels and what the report needs, and none of a file that has
changed.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread

from dicom_node.archive.part10 import content_sha256
from feature_store.errors import UnreadableInstance
from feature_store.imaging.ct_volume import ct_volume
from feature_store.imaging.reading import read_ct, read_rtstruct, read_study
from feature_store.study_features import load_study
from tests.support.dicom_files import write_ct, write_rtstruct

SQUARE = np.array([[-8.0, 7, -21], [-6.5, 7, -21], [-6.5, 9, -21], [-8, 9, -21]])
_opened: Counter[str] = Counter()


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], Path]:
    hu = np.random.default_rng(3).integers(-1000, 1500, (8, 6, 5)).astype(np.int16)
    return write_ct(tmp_path / "ct", hu), write_rtstruct(tmp_path / "rs.dcm", [("GTV", [SQUARE])])


@pytest.fixture(scope="module", autouse=True)
def _openings() -> None:
    """Count what is opened; a hook cannot be taken away, so there is one for the module."""

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | Path):
            _opened[str(arguments[0])] += 1

    sys.addaudithook(count)


def test_a_study_is_loaded_from_one_opening_of_each_file(files: tuple[list[Path], Path]) -> None:
    ct, rtstruct = files
    sha256 = {path: content_sha256(path) for path in (*ct, rtstruct)}
    _opened.clear()
    study = load_study(read_study(ct, rtstruct, sha256), "gtv")
    assert {path: _opened[str(path)] for path in sha256} == dict.fromkeys(sha256, 1)
    assert study.volume.hu.shape == (8, 6, 5)
    assert study.gtv.name == "GTV"


def test_what_the_report_needs_is_there_and_the_bulk_is_not(
    files: tuple[list[Path], Path],
) -> None:
    ct, rtstruct = files
    reading = read_study(ct[::-1], rtstruct)
    assert len(reading.ct.datasets) == len(ct)
    for path, dataset in zip(ct[::-1], reading.ct.datasets, strict=True):
        assert dataset == dcmread(path, stop_before_pixels=True)[:0x7FE00000]
        assert "PixelData" not in dataset
    head, whole = reading.rtstruct.dataset, dcmread(rtstruct)
    assert head.SOPInstanceUID == whole.SOPInstanceUID
    assert head.PatientID == whole.PatientID
    assert "ROIContourSequence" not in head
    assert reading.rtstruct.structure_set.roi_names == ("GTV",)


def test_pixels_are_found_whatever_the_order_of_the_files_and_taken_once(
    files: tuple[list[Path], Path],
) -> None:
    ct, _ = files
    expected: npt.NDArray[np.float32] = ct_volume(read_ct(ct)).hu
    reading = read_ct([ct[number] for number in (3, 7, 0, 1, 6, 2, 5, 4)])
    np.testing.assert_array_equal(ct_volume(reading).hu, expected)
    with pytest.raises(LookupError, match="taken before"):
        ct_volume(reading)


def test_the_digest_is_the_one_of_the_node(files: tuple[list[Path], Path]) -> None:
    for path in files[0]:
        content = path.read_bytes()
        start = 144 + int.from_bytes(content[140:144], "little")
        assert hashlib.sha256(content[start:]).hexdigest() == content_sha256(path)


@pytest.mark.parametrize("change", ["flipped", "cut", "no prefix", "empty", "removed"])
@pytest.mark.parametrize("which", ["a CT slice", "the RTSTRUCT"])
def test_a_file_that_is_not_the_one_expected_is_refused(
    files: tuple[list[Path], Path], change: str, which: str
) -> None:
    ct, rtstruct = files
    sha256 = {path: content_sha256(path) for path in (*ct, rtstruct)}
    victim = ct[5] if which == "a CT slice" else rtstruct
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    changed = {
        "flipped": bytes(content),
        "cut": bytes(content[:-20]),
        "no prefix": bytes(content[:128] + b"XXXX" + content[132:]),
        "empty": b"",
    }
    victim.unlink() if change == "removed" else victim.write_bytes(changed[change])
    with pytest.raises(UnreadableInstance) as caught:
        read_study(ct, rtstruct, sha256)
    assert caught.value.code == "changed-on-disk"
    assert str(caught.value) == (
        f"The file of {which} in the archive is not the one that was received: its SHA-256 is "
        f"expected to be {sha256[victim][:16]}… and is not. Check the disk, remove the file and "
        "push the study anew."
    )


def test_without_a_digest_what_is_no_dicom_is_said_of_its_kind(
    files: tuple[list[Path], Path],
) -> None:
    ct, rtstruct = files
    ct[2].write_text("no DICOM")
    rtstruct.write_text("no DICOM")
    with pytest.raises(
        UnreadableInstance, match=r"^CT instance 3 of 8 cannot be read as DICOM .* Send the series"
    ) as of_ct:
        read_ct(ct)
    with pytest.raises(
        UnreadableInstance, match=r"^The RTSTRUCT cannot be read as DICOM .* Send it again"
    ) as of_rtstruct:
        read_rtstruct(rtstruct)
    assert (of_ct.value.code, of_rtstruct.value.code) == ("unreadable-ct", "unreadable-rtstruct")
