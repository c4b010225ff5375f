"""What an RTSTRUCT holds beside its manifest costs no memory; a manifest has limits."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from dicom_node.archive.part10 import read_meta
from dicom_node.datasets import manifest_scan
from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.datasets.instance import ReceivedInstance, read_instance
from dicom_node.datasets.sop_classes import IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.dicom_datasets import set_rois, square
from tests.support.intake_bench import FRAME, encode, rtstruct
from tests.support.large_objects import REFERENCES, STRUCTURES, write_structure

MB = 1_000_000


def _read(path: Path) -> ReceivedInstance:
    meta, start = read_meta(path)
    with path.open("rb") as file:
        length = path.stat().st_size - start
        return read_instance(DatasetWindow(file.fileno(), start, length), meta.transfer_syntax)


@pytest.mark.slow
@pytest.mark.parametrize("what", STRUCTURES)
def test_memory_does_not_grow_with_an_object(what: str, tmp_path: Path) -> None:
    peaks = []
    for size in (MB // 4, MB):
        path = write_structure(tmp_path / "large.dcm", what, size)
        tracemalloc.start()
        read = _read(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        if read.manifest is not None:
            assert len(read.manifest.referenced_sop_instance_uids) == REFERENCES
    assert peaks[1] < peaks[0] + 0.2 * MB
    assert peaks[1] < 12 * MB


@pytest.mark.slow
def test_points_in_pieces_are_those_of_one_piece(tmp_path: Path) -> None:
    read = _read(write_structure(tmp_path / "points.dcm", "points", MB))
    assert read.manifest is not None
    drawn = read.manifest.rois[0].drawn
    assert (drawn.contours, drawn.malformed) == (1, 0)
    assert drawn.bounds_mm == (-123.45, 1.0, -98.7, 2.0, 3.0, 55.5)
    assert drawn.planes_mm == ((-123.45, -98.7, 55.5),)


@pytest.mark.slow
def test_empty_items_take_no_time(tmp_path: Path) -> None:
    path = write_structure(tmp_path / "empty.dcm", "empty items", 16 * MB)
    start = time.process_time()
    read = _read(path)
    assert time.process_time() - start < 5.0
    assert read.manifest is not None
    assert read.manifest.rois[0].drawn.contours == 2 * MB


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("MOST_ROIS", 1, "more than 1 ROIs"),
        ("MOST_LISTED", 0, "more than 0 series"),
        ("MOST_INSTANCES", 2, "more than 2 CT instances"),
        ("MOST_NAMINGS", 2, "more than 2 CT instances of its ROIs and series"),
        ("MOST_PLANES", 1, "more than 1 planes"),
        ("MOST_DRAWINGS", 1, "more than 1 planes of its ROIs"),
    ],
)
def test_more_than_a_manifest_holds_is_refused_with_a_sentence(
    limit: str, value: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = rtstruct(["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"])
    set_rois(dataset, FRAME, [("GTV-1", [square(4, 6, 3)]), ("Heart", [square(4, 6, 6)])])
    encoded = encode(dataset)
    assert read_instance(encoded, IMPLICIT_VR_LITTLE_ENDIAN).manifest is not None
    monkeypatch.setattr(manifest_scan, limit, value)
    with pytest.raises(DamagedInstanceError, match=sentence) as caught:
        read_instance(encoded, IMPLICIT_VR_LITTLE_ENDIAN)
    assert caught.value.identity is not None
