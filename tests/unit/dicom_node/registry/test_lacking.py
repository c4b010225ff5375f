"""What a study lacks is what its own evidence names, and nothing that it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicom_node.datasets.manifest import DrawnContours, ListedSeries, Manifest, Roi
from dicom_node.registry.ct_choice import CtInstance
from dicom_node.registry.decisions import (
    Contradictory,
    Decision,
    Incomplete,
    Joined,
    RtstructInstance,
    StudyContents,
    Waiting,
)
from dicom_node.registry.lacking import (
    Lacking,
    content_of,
    lacking,
    tells_of_a_lack,
    with_answer,
)

GTV = Roi(1, "GTV", "1.9", DrawnContours(contours=1, sop_instance_uids=("1.1.2",)))
LISTED = ListedSeries("1.1", "1.9", ("1.1.1", "1.1.2", "1.1.3"))
OTHER = ListedSeries("1.5", "1.8", ("1.5.1",))


def _ct(number: int, series: str = "1.1") -> CtInstance:
    return CtInstance(f"{series}.{number}", series, "1.9", "p", "a" * 64, None)


def _drawn(*series: ListedSeries, roi: Roi = GTV) -> RtstructInstance:
    manifest = Manifest((roi,), series, ("1.9",), ("20240101", "", "", ""))
    return RtstructInstance("1.7", "p", "b" * 64, manifest)


def _wanted(contents: StudyContents) -> Lacking:
    return lacking(contents, "gtv")


def test_the_listed_series_is_asked_for_and_the_named_slices_are_counted() -> None:
    wanted = _wanted(StudyContents((_ct(1),), (_drawn(LISTED),)))
    assert wanted == Lacking(("1.1",), frozenset({"1.1.2", "1.1.3"}), frozenset({"1.1.1", "1.7"}))


def test_a_series_of_another_frame_is_not_asked_for() -> None:
    assert _wanted(StudyContents((), (_drawn(LISTED, OTHER),))).series == ("1.1",)


def test_without_a_list_the_series_that_is_here_is_asked_for() -> None:
    assert _wanted(StudyContents((_ct(1),), (_drawn(),))).series == ("1.1",)
    assert _wanted(StudyContents((), (_drawn(),))).series == ()


def test_a_listed_series_that_is_not_here_is_asked_for_though_another_is() -> None:
    wanted = _wanted(StudyContents((_ct(1, "1.2"),), (_drawn(LISTED),)))
    assert wanted.series == ("1.1",)
    assert wanted.named == {"1.1.1", "1.1.2", "1.1.3"}


def test_slices_alone_lack_their_rtstruct() -> None:
    wanted = _wanted(StudyContents((_ct(1),), ()))
    assert wanted == Lacking(here=frozenset({"1.1.1"}), rtstruct=True)


@pytest.mark.parametrize(
    ("decision", "contents", "expected"),
    [
        (Incomplete("…"), StudyContents((_ct(1),), ()), True),
        (Incomplete("…"), StudyContents((), ()), False),
        (Incomplete("…"), StudyContents((), (_drawn(),), ct_of_another_patient=True), False),
        (Contradictory("…"), StudyContents((_ct(1),), ()), False),
        (Joined("k"), StudyContents((), ()), False),
        (Waiting(), StudyContents((_ct(1),), ()), False),
    ],
)
def test_only_what_the_pacs_may_mend_is_asked_for(
    decision: Decision, contents: StudyContents, expected: bool
) -> None:
    assert tells_of_a_lack(decision, contents) is expected


def test_the_content_is_everything_that_is_here() -> None:
    contents = StudyContents((_ct(1), _ct(2)), (_drawn(LISTED),))
    assert content_of(contents) == content_of(replace(contents, ct=contents.ct[::-1]))
    assert content_of(contents) != content_of(replace(contents, ct=contents.ct[:1]))
    assert content_of(contents) != content_of(replace(contents, rtstructs=()))


def test_an_answer_is_told_with_what_is_lacking() -> None:
    assert with_answer(Incomplete("3 are missing."), "It was asked.") == Incomplete(
        "3 are missing. It was asked."
    )
    assert with_answer(Incomplete("3 are missing."), None) == Incomplete("3 are missing.")
    assert with_answer(Contradictory("two"), "It was asked.") == Contradictory("two")
