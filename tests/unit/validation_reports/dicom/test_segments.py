"""Segments keep names and tracking UIDs from contour to contour, whatever model reads them."""

from __future__ import annotations

from pydicom.dataset import Dataset

from feature_store.imaging.regions import Region
from validation_reports.dicom.references import RoiReference
from validation_reports.dicom.segments import segments_of


def _rtstruct(uid: str) -> Dataset:
    found = Dataset()
    found.SOPInstanceUID = uid
    return found


def test_the_gtv_comes_first_and_each_ring_has_its_own_code() -> None:
    found = segments_of(
        [Region.RING_6MM, Region.RING_3MM, Region.GTV], _rtstruct("1.2.3"), RoiReference(4, "GTVp")
    )
    assert [(one.number, one.region, one.label) for one in found] == [
        (1, Region.GTV, "GTVp"),
        (2, Region.RING_3MM, "Ring of 3 mm around the GTV"),
        (3, Region.RING_6MM, "Ring of 6 mm around the GTV"),
    ]
    assert found[0].kind.value == "228791009"
    assert [one.kind.value for one in found[1:]] == ["ring-3mm", "ring-6mm"]
    assert len({one.tracking_uid for one in found}) == 3


def test_a_model_without_rings_still_shows_the_contour() -> None:
    (only,) = segments_of([], _rtstruct("1.2.3"), RoiReference(4, "GTVp"))
    assert only.region is Region.GTV


def test_tracking_follows_the_contour() -> None:
    first, again, other, next_roi = (
        segments_of([Region.RING_6MM], _rtstruct(uid), RoiReference(number, "GTV"))
        for uid, number in (("1.2.3", 4), ("1.2.3", 4), ("1.2.4", 4), ("1.2.3", 5))
    )
    assert [one.tracking_uid for one in first] == [one.tracking_uid for one in again]
    for changed in (other, next_roi):
        assert not {one.tracking_uid for one in first} & {one.tracking_uid for one in changed}
