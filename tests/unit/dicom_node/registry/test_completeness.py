"""The manifest decides at once, geometry after the quiet period, and every refusal says what is
missing.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.center import Completeness
from dicom_node.datasets.instance import Plane, read_instance
from dicom_node.datasets.manifest import Manifest
from dicom_node.registry.completeness import (
    Complete,
    Contradictory,
    CtInstance,
    DamagedMention,
    Decision,
    Incomplete,
    RtstructInstance,
    StudyContents,
    Waiting,
    choose_series,
    content_digest,
    decide,
    series_extent_mm,
)
from tests.support.part10 import read_part10

LENIENT, STRICT = Completeness.LENIENT, Completeness.STRICT
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def _slices(
    series: str, count: int = 4, *, frame: str | None = "1.9", z0: float = 0.0
) -> tuple[CtInstance, ...]:
    return tuple(
        CtInstance(
            sop_instance_uid=f"{series}.{index}",
            series_instance_uid=series,
            frame_of_reference_uid=frame,
            patient_key="p",
            content_sha256=f"{series}-{index}",
            plane=Plane((0.0, 0.0, z0 + 3.0 * index), AXIAL, (2.0, 2.0), 8, 10),
        )
        for index in range(count)
    )


def _rtstruct(
    listed: tuple[str, ...],
    *,
    uid: str = "1.7",
    z: float = 3.0,
    frame: str | None = "1.9",
    made_at: tuple[str, str, str, str] = ("20240101", "", "", ""),
) -> RtstructInstance:
    bounds = (4.0, 6.0, 4.0, 6.0, z, z)
    return RtstructInstance(uid, "p", f"content {uid}", Manifest(listed, frame, bounds, made_at))


def _uids(slices: tuple[CtInstance, ...]) -> tuple[str, ...]:
    return tuple(one.sop_instance_uid for one in slices)


CT = _slices("1.1")
WHOLE = StudyContents(CT, (_rtstruct(_uids(CT)),))


def _incomplete(decision: Decision) -> str:
    assert isinstance(decision, Incomplete)
    return decision.sentence


def _complete(decision: Decision) -> Complete:
    assert isinstance(decision, Complete)
    return decision


@pytest.mark.parametrize("rule", [LENIENT, STRICT])
def test_a_met_manifest_completes_at_once_without_a_warning(rule: Completeness) -> None:
    decision = _complete(decide(WHOLE, rule, settled=False))
    assert decision.ct == CT
    assert decision.warnings == ()


@pytest.mark.parametrize(
    "contents",
    [
        StudyContents((), ()),
        StudyContents(CT, ()),
        StudyContents((), WHOLE.rtstructs),
        replace(WHOLE, ct=CT[1:]),
        StudyContents(CT, (_rtstruct(()),)),
    ],
)
def test_anything_less_waits_until_the_quiet_period_has_passed(contents: StudyContents) -> None:
    assert decide(contents, LENIENT, settled=False) == Waiting()
    assert decide(contents, LENIENT, settled=True) != Waiting()


def test_only_listed_slices_form_the_study() -> None:
    extra = _slices("1.2", 9)
    assert _complete(decide(replace(WHOLE, ct=extra + CT), LENIENT, settled=True)).ct == CT


def test_a_missing_slice_is_counted_leniently_and_refused_strictly() -> None:
    contents = replace(WHOLE, ct=CT[1:])
    lenient = _complete(decide(contents, LENIENT, settled=True))
    assert lenient.ct == CT[1:]
    (warning,) = lenient.warnings
    tally, how = warning.split("; ")
    assert tally == "the RTSTRUCT lists 4 CT instances, of which 3 are here"
    assert how == "matched with 3 slices by Frame of Reference and geometry"
    strict = _incomplete(decide(contents, STRICT, settled=True))
    assert (
        strict
        == "the RTSTRUCT lists 4 CT instances, of which 3 are here: send the 1 that are missing"
    )


def test_without_ct_or_without_rtstruct_the_sentence_says_so() -> None:
    assert "no CT slice" in _incomplete(
        decide(StudyContents((), WHOLE.rtstructs), LENIENT, settled=True)
    )
    assert _incomplete(decide(StudyContents(CT, ()), LENIENT, settled=True)).startswith(
        "4 CT slices have arrived but no RTSTRUCT: send"
    )


def test_a_damaged_slice_that_is_needed_leaves_the_study_incomplete_and_is_named() -> None:
    damaged = (DamagedMention(CT[0].sop_instance_uid, "1.1"),)
    sentence = _incomplete(
        decide(replace(WHOLE, ct=CT[1:], damaged=damaged), LENIENT, settled=True)
    )
    assert "1 of the missing were received damaged and are quarantined" in sentence


def test_a_damaged_instance_of_another_series_is_a_warning() -> None:
    contents = replace(WHOLE, ct=CT[1:], damaged=(DamagedMention("1.5.1", "1.5"),))
    assert (
        "1 instance was received damaged"
        in _complete(decide(contents, LENIENT, settled=True)).warnings[-1]
    )


def test_a_damaged_rtstruct_is_named_while_none_is_here() -> None:
    contents = StudyContents(CT, (), (DamagedMention("1.7", "1.6"),))
    assert "(1 instance was received damaged and quarantined)" in _incomplete(
        decide(contents, LENIENT, settled=True)
    )
    nothing = StudyContents((), (), (DamagedMention("1.7", "1.6"),))
    assert _incomplete(decide(nothing, LENIENT, settled=True)).startswith(
        "1 instance was received damaged"
    )


def test_the_series_that_holds_the_contours_wins_over_a_larger_one() -> None:
    near, far, other = _slices("1.1"), _slices("1.2", 9, z0=100.0), _slices("1.3", 20, frame="1.8")
    series, how = choose_series(near + far + other, _rtstruct(("9.9",)).manifest)
    assert (series, how) == (near, "Frame of Reference and geometry")


def test_without_geometry_the_frame_decides_and_without_it_the_size() -> None:
    far, other = _slices("1.2", 3, z0=100.0), _slices("1.3", 20, frame="1.8")
    series, how = choose_series(far + other, _rtstruct(("9.9",)).manifest)
    assert series == far
    assert "reach outside" in how
    series, how = choose_series(far + other, _rtstruct(("9.9",), frame="1.5").manifest)
    assert len(series) == 20
    assert "no CT series has the contours' Frame of Reference" in how


def test_two_series_that_fit_are_told() -> None:
    _, how = choose_series(_slices("1.1") + _slices("1.2"), _rtstruct(("9.9",)).manifest)
    assert how.endswith("1 other CT series would fit as well")


@pytest.mark.parametrize(("z", "fits"), [(-1.5, True), (-1.6, False), (10.5, True), (10.6, False)])
def test_half_a_slice_beyond_the_outermost_slices_still_holds(z: float, *, fits: bool) -> None:
    _, how = choose_series(CT, _rtstruct(("9.9",), z=z).manifest)
    assert (how == "Frame of Reference and geometry") == fits


def test_the_extent_of_a_series_is_that_of_its_pixels_and_half_a_slice() -> None:
    planes = [one.plane for one in CT if one.plane is not None]
    assert series_extent_mm(planes) == (-1.0, 19.0, -1.0, 15.0, -1.5, 10.5)
    assert series_extent_mm([]) is None
    sagittal = [
        Plane((5.0 * x, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (1.0, 2.0), 4, 3)
        for x in range(2)
    ]
    assert series_extent_mm(sagittal) == (-2.5, 7.5, -1.0, 5.0, -3.5, 0.5)


def test_the_newest_rtstruct_is_used_whatever_the_order_and_that_is_told() -> None:
    uids = _uids(CT)
    three = [
        _rtstruct(uids, uid="1.7.9", made_at=("20230101", "", "", "")),
        _rtstruct(uids, uid="1.7.1", made_at=("20240101", "0900", "", "")),
        _rtstruct(uids, uid="1.7.2", made_at=("20240101", "0900", "", "")),
    ]
    for order in itertools.permutations(three):
        decision = _complete(decide(StudyContents(CT, order), LENIENT, settled=False))
        assert decision.rtstruct.sop_instance_uid == "1.7.2"
        assert decision.warnings == (
            "the study holds 3 RTSTRUCTs: the newest by structure set date and time is used",
        )


def test_slices_of_another_patient_contradict() -> None:
    other = (*CT[:-1], replace(CT[-1], patient_key="q"))
    decision = decide(replace(WHOLE, ct=other), LENIENT, settled=False)
    assert isinstance(decision, Contradictory)
    assert "different Patient IDs" in decision.sentence


def test_the_content_digest_depends_on_what_and_not_on_the_order() -> None:
    pairs = [("1.1", "a"), ("1.2", "b"), ("1.3", "c")]
    digests = set()
    for seed in range(5):
        random.Random(seed).shuffle(pairs)
        digests.add(content_digest(pairs))
    # printf '1.1 a\n1.2 b\n1.3 c\n' | sha256sum
    assert digests == {"cb45c9fd6c6503d78224f2ae2a7a0928eeb8d9bac1925060fe3f6bce647eb19e"}
    assert content_digest([("1.1", "a"), ("1.2", "B")]) != content_digest(
        [("1.1", "a"), ("1.2", "b")]
    )


@pytest.mark.real_data
@pytest.mark.parametrize(
    "patient", ["STS_001", "STS_002", "STS_003", "STS_008", "STS_019", "STS_025"]
)
def test_every_sts_patient_is_matched_by_frame_and_geometry(real_data: Path, patient: str) -> None:
    ct = []
    for path in sorted((real_data / "sts" / patient / "ct").glob("*.dcm")):
        instance = read_part10(path)
        header = read_instance(instance.dataset, instance.transfer_syntax).header
        ct.append(
            CtInstance(
                header.identity.sop_instance_uid,
                header.identity.series_instance_uid,
                header.frame_of_reference_uid,
                "p",
                instance.content_sha256,
                header.plane,
            )
        )
    drawn = read_part10(next((real_data / "sts" / patient / "rtstruct").glob("*.dcm")))
    manifest = read_instance(drawn.dataset, drawn.transfer_syntax).manifest
    assert manifest is not None
    contents = StudyContents(
        tuple(ct), (RtstructInstance("1.2", "p", drawn.content_sha256, manifest),)
    )
    assert decide(contents, LENIENT, settled=False) == Waiting()
    decision = _complete(decide(contents, LENIENT, settled=True))
    listed = len(manifest.referenced_sop_instance_uids)
    (warning,) = decision.warnings
    assert warning.startswith(
        f"the RTSTRUCT lists {listed} CT instances, of which 0 are here; matched with {len(ct)} "
    )
    assert warning.endswith(" slices by Frame of Reference and geometry")
    assert f"send the {listed} that are missing" in _incomplete(
        decide(contents, STRICT, settled=True)
    )
