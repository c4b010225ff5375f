"""The GTV is chosen by its name, and its CT by the first evidence that leaves one series."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicom_node.registry.ct_choice import (
    Ambiguous,
    Answer,
    CtChoice,
    CtInstance,
    Evidence,
    NameVerdict,
    choose_ct,
    choose_roi,
)
from tests.support.ct_on_record import listed, manifest, roi, slices, uids

SOFT, SHARP, OTHER = slices("1.1"), slices("1.2"), slices("1.3", frame="1.8")
ALL = SOFT + SHARP + OTHER
PATTERN = r"gtv[-_ ]?(p|1|primary)?"


def _choice(found: CtChoice | Ambiguous | None) -> CtChoice:
    assert isinstance(found, CtChoice)
    return found


@pytest.mark.parametrize(
    ("names", "verdict", "number"),
    [
        (("Heart", "gtv-1"), NameVerdict.ONE, 2),
        (
            ("Heart", "\uff27\uff34\uff36\uff0d\uff11"),
            NameVerdict.ONE,
            2,
        ),  # as a Japanese keyboard types
        (("Heart", "Boost"), NameVerdict.NONE, None),
        (("GTV", "Heart", "GTVp"), NameVerdict.SEVERAL, None),
        ((), NameVerdict.NONE, None),
    ],
)
def test_the_gtv_is_the_one_roi_whose_whole_name_matches(
    names: tuple[str, ...], verdict: NameVerdict, number: int | None
) -> None:
    rois = tuple(roi(name, number=at) for at, name in enumerate(names, start=1))
    found = choose_roi(manifest(rois=rois), PATTERN)
    assert (found.verdict, found.roi.number) == (verdict, number)


def test_without_one_gtv_all_that_may_be_it_say_where_to_look() -> None:
    rois = (roi("GTV", (3.0,)), roi("GTVp", (9.0,), number=2), roi("Heart", (30.0,), number=3))
    several = choose_roi(manifest(rois=rois), PATTERN).roi
    assert several.drawn.bounds_mm == (4.0, 6.0, 4.0, 6.0, 3.0, 9.0)
    assert several.frame_of_reference_uid == "1.9"
    elsewhere = (*rois[:1], roi("GTVp", number=2, frame="1.8"))
    assert choose_roi(manifest(rois=elsewhere), PATTERN).roi.frame_of_reference_uid is None


def test_of_two_rois_of_the_name_the_one_that_is_drawn_is_the_gtv() -> None:
    drawn, undrawn = roi("GTVp", (9.0,), number=2), roi("GTV", ())
    clicked = replace(undrawn, drawn=replace(undrawn.drawn, contours=1))
    for rois in ((undrawn, drawn), (drawn, undrawn), (clicked, drawn)):
        found = choose_roi(manifest(rois=rois), PATTERN)
        assert (found.verdict, found.roi) == (NameVerdict.ONE, drawn)
    malformed = replace(undrawn, drawn=replace(undrawn.drawn, contours=1, malformed=1))
    for rois in ((malformed, drawn), (undrawn, replace(undrawn, number=3))):
        assert choose_roi(manifest(rois=rois), PATTERN).verdict is NameVerdict.SEVERAL


NAMED_BY_EACH = {
    Evidence.CONTOUR_IMAGES: (manifest(listed(uids(SHARP), "1.2")), roi(images=uids(SOFT[5:7]))),
    Evidence.LISTED_SERIES: (manifest(listed(uids(SHARP), "1.1")), roi()),
    Evidence.LISTED_IMAGES: (manifest(listed(uids(SOFT))), roi()),
    Evidence.FRAME_OF_REFERENCE: (manifest(), roi(frame="1.8")),
}


@pytest.mark.parametrize("evidence", NAMED_BY_EACH)
def test_the_first_evidence_that_leaves_one_series_decides(evidence: Evidence) -> None:
    said, gtv = NAMED_BY_EACH[evidence]
    found = _choice(choose_ct(ALL, said, gtv))
    expected = OTHER if evidence is Evidence.FRAME_OF_REFERENCE else SOFT
    assert (found.decided_by, found.slices) == (evidence, expected)
    assert found.answers[evidence] is Answer.NAMES_IT


def test_geometry_decides_between_series_of_one_frame() -> None:
    far = slices("1.2", 20, z0=200.0)
    found = _choice(choose_ct(SOFT + far, manifest(), roi()))
    assert (found.decided_by, found.slices) == (Evidence.GEOMETRY, SOFT)


def test_of_several_reconstructions_the_named_series_is_used_not_the_largest_uid() -> None:
    three = SOFT + SHARP + slices("1.4", 30)
    found = _choice(choose_ct(three, manifest(listed((), "1.1")), roi()))
    assert (found.decided_by, found.slices) == (Evidence.LISTED_SERIES, SOFT)


def test_evidence_that_leaves_several_narrows_what_the_next_decides() -> None:
    said = manifest(listed((), "1.1"), listed((), "1.3"))
    found = _choice(choose_ct(ALL, said, replace(roi(frame="1.8"))))
    assert (found.decided_by, found.series_instance_uid) == (Evidence.FRAME_OF_REFERENCE, "1.3")


def test_the_frame_of_the_gtv_and_not_that_of_another_roi_counts() -> None:
    heart, gtv = roi("Heart", number=2, frame="1.9"), roi(frame="1.8")
    said = manifest(
        listed((), "1.1", "1.9"), listed((), "1.3", "1.8"), rois=(heart, gtv), frames=("1.9", "1.8")
    )
    found = _choice(choose_ct(ALL, said, gtv))
    assert found.series_instance_uid == "1.3"


def test_only_what_contradicts_is_said_to() -> None:
    said, gtv = NAMED_BY_EACH[Evidence.CONTOUR_IMAGES]
    assert _choice(choose_ct(ALL, said, gtv)).answers == {
        Evidence.CONTOUR_IMAGES: Answer.NAMES_IT,
        Evidence.LISTED_SERIES: Answer.NAMES_ANOTHER,
        Evidence.LISTED_IMAGES: Answer.NAMES_ANOTHER,
        Evidence.FRAME_OF_REFERENCE: Answer.NAMES_IT,
        Evidence.GEOMETRY: Answer.NAMES_IT,
    }
    alone = _choice(choose_ct(SOFT, manifest(listed(("1.5.1",), "1.5")), roi(z=(900.0,))))
    assert alone.answers == {
        Evidence.CONTOUR_IMAGES: Answer.SILENT,
        Evidence.LISTED_SERIES: Answer.NAMES_NONE_HERE,
        Evidence.LISTED_IMAGES: Answer.NAMES_NONE_HERE,
        Evidence.FRAME_OF_REFERENCE: Answer.NAMES_IT,
        Evidence.GEOMETRY: Answer.NAMES_NONE_HERE,
    }


def test_a_series_that_nothing_names_is_used_only_where_it_is_alone() -> None:
    nowhere = roi(z=(900.0,), frame="1.5")
    alone = _choice(choose_ct(SOFT, manifest(), nowhere))
    assert (alone.decided_by, alone.slices) == (None, SOFT)
    assert choose_ct(SOFT + SHARP, manifest(), nowhere) == Ambiguous(2)
    assert choose_ct(SOFT + SHARP, manifest(), roi()) == Ambiguous(2)
    assert choose_ct((), manifest(), roi()) is None


def test_localizers_are_never_chosen_nor_listed() -> None:
    scout = slices("1.5", 2, is_localizer=True)
    assert choose_ct(scout, manifest(), roi()) is None
    said = manifest(listed(uids(SOFT) + uids(scout), "1.1"))
    found = _choice(choose_ct(scout + SOFT, said, roi()))
    assert (found.slices, found.listed) == (SOFT, uids(SOFT))


@pytest.mark.parametrize(
    ("ct", "is_certain"), [(SOFT, False), (SOFT + SHARP[:1], True), (SHARP + SOFT, True)]
)
def test_with_two_series_named_the_choice_is_certain_once_something_of_each_is_here(
    ct: tuple[CtInstance, ...], *, is_certain: bool
) -> None:
    said = manifest(listed(uids(SOFT), "1.1"), listed((), "1.2"))
    assert _choice(choose_ct(ct, said, roi())).is_certain == is_certain
    by_contours = roi(images=uids(SOFT[5:6]))
    assert _choice(choose_ct(ct, said, by_contours)).is_certain == is_certain
    not_yet = roi(images=("1.6.1",))
    assert not _choice(choose_ct(ct, said, not_yet)).is_certain


def test_a_ct_that_was_split_into_series_is_known_by_what_its_parts_hold() -> None:
    parts = (slices("1.1"), slices("1.2", 3, z0=36.0), slices("1.3", 4, z0=45.0))
    everything = tuple(one for part in parts for one in part)
    said = manifest(*(listed(uids(part), f"1.{n}") for n, part in enumerate(parts, start=1)))
    found = _choice(choose_ct(everything, said, roi(images=uids(parts[0][5:7]))))
    assert (found.slices, found.continued_by) == (parts[0], parts[1] + parts[2])
    unlisted = manifest(listed(uids(parts[0]), "1.1"))
    assert _choice(choose_ct(everything, unlisted, roi())).continued_by == ()
    across = roi(z=(33.0, 36.0), images=(parts[0][-1].sop_instance_uid, "1.2.00"))
    assert choose_ct(everything, said, across) == Ambiguous(2, 15)
    assert choose_ct(SOFT + SHARP, manifest(), roi()) == Ambiguous(2, 0)
