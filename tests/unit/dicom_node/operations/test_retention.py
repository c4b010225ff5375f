"""What is too old is forgotten, and nothing else."""

from __future__ import annotations

import os

import pytest

from dicom_node.errors import UnreadableDatasetError
from dicom_node.operations.retention import Retention
from tests.support.intake_bench import Bench, ct_slice, request, take


def _refuse(bench: Bench) -> None:
    one = ct_slice(0)
    del one.StudyInstanceUID
    with pytest.raises(UnreadableDatasetError):
        take(bench.intake, "alpha", request(one))


@pytest.mark.parametrize(("days", "left"), [(30.0, 0), (0.0, 1)])
def test_quarantine_and_incidents_are_forgotten_after_their_time(
    bench: Bench, days: float, left: int
) -> None:
    _refuse(bench)
    (file,) = bench.archive.quarantined.rglob("*.dcm")
    os.utime(file, (0, 0))
    bench.clock.advance(29 * 86400)
    kept = Retention(bench.archive, bench.registry.incidents, bench.clock, 0.0, days)
    assert kept.keep_house() == 0
    bench.clock.advance(2 * 86400)
    house = Retention(bench.archive, bench.registry.incidents, bench.clock, days, days)
    assert house.keep_house() == 2 * (1 - left)
    assert house.keep_house() == 0
    assert len(bench.registry.incidents.latest()) == left
    assert len(list(bench.archive.quarantined.rglob("*.dcm"))) == left
