"""Work is shared among the cores that a process may use, and its results do not depend on them."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from feature_store import cores
from feature_store.cores import CORES_VARIABLE, parts, side_by_side
from feature_store.imaging.boxed_mask import BoxedMask, whole_box
from feature_store.imaging.harmonize import harmonize_ct
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.settings import ExtractionSettings
from tests.support.ct_volumes import noise


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, 4), ("", 4), ("1", 1), ("3", 3), ("16", 4), ("0", 4), ("many", 4), ("-2", 4)],
)
def test_a_process_uses_the_cores_that_it_may(
    asked: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.delenv(CORES_VARIABLE, raising=False)
    if asked is not None:
        monkeypatch.setenv(CORES_VARIABLE, asked)
    assert cores.cores() == expected


def test_results_keep_their_order_and_errors_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cores", lambda: 2)
    both = threading.Barrier(2, timeout=20)

    def met(number: int) -> int:
        both.wait()  # of two threads at the same time
        return number * number

    assert side_by_side(met, range(4)) == [0, 1, 4, 9]
    assert side_by_side(met, []) == []
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 / number, [1, 0])


@pytest.mark.parametrize(("n", "count"), [(10, 3), (2, 3), (1, 1), (130, 2)])
def test_parts_cover_everything_once(n: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cores", lambda: count)
    found = [number for first, last in parts(n) for number in range(first, last)]
    assert found == list(range(n))
    assert len(parts(n)) == min(n, count)


def test_features_have_the_same_bits_on_any_number_of_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    volume = noise((24, 40, 44), (0.9, 0.9, 1.7))
    found = []
    for count in (1, 2, 3):
        monkeypatch.setattr(cores, "cores", lambda count=count: count)
        ct = harmonize_ct(volume)
        voxels = np.zeros(ct.shape, np.bool_)
        voxels[10:24, 8:22, 9:20] = True
        region = BoxedMask(voxels, whole_box(ct.shape), ct.shape)
        vector = extract(ct, {Region.GTV: region}, ExtractionSettings())[Region.GTV]
        found.append((ct.mean_hu, ct.sd_hu, *vector.values.tolist()))
    assert found[0] == found[1] == found[2]
