"""A manifest decides at once, a whole series after the quiet period, and every refusal says what is
missing.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.center import Completeness
from dicom_node.datasets.instance import read_instance
from dicom_node.datasets.manifest import ListedSeries, Manifest
from dicom_node.registry.completeness import decide
from dicom_node.registry.ct_choice import CtInstance, Evidence, NameVerdict
from dicom_node.registry.decisions import (
    Complete,
    Contradictory,
    DamagedMention,
    Decision,
    Incomplete,
    Joined,
    Policy,
    RtstructInstance,
    StudyContents,
    Waiting,
)
from tests.support.ct_on_record import listed, manifest, roi, rtstruct, slices, uids
from tests.support.part10 import read_part10

LENIENT, STRICT = Policy(Completeness.LENIENT), Policy(Completeness.STRICT)
PATTERN = r"gtv[-_ ]?(p|1|primary)?"

CT = slices("1.1")
WHOLE = StudyContents(CT, (rtstruct(manifest(listed(uids(CT), "1.1"))),))
CONTOURED = StudyContents(CT, (rtstruct(manifest(listed(uids(CT[5:7]), "1.1"))),))


def _decide(contents: StudyContents, policy: Policy | None = None) -> Decision:
    return decide(contents, PATTERN, policy)


def _incomplete(decision: Decision) -> str:
    assert isinstance(decision, Incomplete)
    return decision.sentence


def _complete(decision: Decision) -> Complete:
    assert isinstance(decision, Complete)
    return decision


def _drawn(said: Manifest, ct: tuple[CtInstance, ...] = CT) -> StudyContents:
    return StudyContents(ct, (rtstruct(said),))


def _codes(decision: Decision) -> list[str]:
    return [one.code for one in _complete(decision).warnings]


@pytest.mark.parametrize("policy", [None, LENIENT, STRICT])
def test_a_met_manifest_completes_at_once_without_a_warning(policy: Policy | None) -> None:
    decision = _complete(_decide(WHOLE, policy))
    assert decision.ct == CT
    assert decision.warnings == ()
    assert (decision.gtv.verdict, decision.gtv.roi.number) == (NameVerdict.ONE, 1)
    assert decision.choice.decided_by is Evidence.LISTED_SERIES


@pytest.mark.parametrize(
    "contents",
    [
        StudyContents((), ()),
        StudyContents(CT, ()),
        StudyContents((), WHOLE.rtstructs),
        replace(WHOLE, ct=CT[1:]),
        _drawn(manifest()),
        CONTOURED,
    ],
)
def test_anything_less_waits_until_the_quiet_period_has_passed(contents: StudyContents) -> None:
    assert _decide(contents) == Waiting()
    assert _decide(contents, LENIENT) != Waiting()


def test_only_the_slices_of_a_manifest_form_the_study() -> None:
    extra = slices("1.2", 9)
    assert _complete(_decide(replace(WHOLE, ct=extra + CT), LENIENT)).ct == CT
    more = slices("1.1", 14)
    assert _complete(_decide(replace(WHOLE, ct=more))).ct == more[:12]


@pytest.mark.parametrize("policy", [LENIENT, STRICT])
def test_a_list_of_contoured_slices_is_no_manifest_and_the_whole_series_is_used(
    policy: Policy,
) -> None:
    decision = _complete(_decide(CONTOURED, policy))
    assert decision.ct == CT
    assert [tuple(one) for one in decision.warnings] == [
        (
            "contoured-slices-listed",
            (
                "The RTSTRUCT lists 2 CT instances, all of them with contours, so that its CT may "
                "have more: the whole series of 12 slices is used."
            ),
        )
    ]


def test_contours_of_any_roi_count_when_it_is_told_whether_a_list_is_a_manifest() -> None:
    heart = roi("Heart", (12.0, 15.0, 18.0, 21.0), number=2)
    of_both = manifest(listed(uids(CT[4:8]), "1.1"), rois=(roi(), heart))
    assert _decide(_drawn(of_both)) == Waiting()
    one_more = manifest(listed(uids(CT[4:9]), "1.1"), rois=(roi(), heart))
    assert _complete(_decide(_drawn(one_more))).ct == CT[4:9]


def test_contours_between_two_slices_belong_to_both_and_clicks_to_none() -> None:
    between = manifest(listed(uids(CT[5:7]), "1.1"), rois=(roi(z=(16.5,)),))
    assert _decide(_drawn(between)) == Waiting()
    empty = manifest(listed(uids(CT[5:7]), "1.1"), rois=(roi(z=()),))
    assert _complete(_decide(_drawn(empty))).ct == CT[5:7]


def test_a_body_contour_on_every_slice_leaves_it_open_whether_the_list_is_whole() -> None:
    body = roi("BODY", tuple(3.0 * index for index in range(12)), number=2)
    said = manifest(listed(uids(CT), "1.1"), rois=(roi(), body))
    assert _decide(_drawn(said)) == Waiting()
    assert _codes(_decide(_drawn(said), STRICT)) == ["contoured-slices-listed"]


@pytest.mark.parametrize(("z", "beyond"), [(0.0, "1.5"), (6.0, "7.5"), (33.0, "1.5")])
def test_a_series_that_ends_within_the_widest_ring_is_incomplete_or_told(
    z: float, beyond: str
) -> None:
    at_the_edge = manifest(listed((CT[round(z / 3)].sop_instance_uid,), "1.1"), rois=(roi(z=(z,)),))
    sentence = _incomplete(_decide(_drawn(at_the_edge), STRICT))
    assert sentence == (
        f"The 12 CT slices go on {beyond} mm beyond the GTV, expected 9 mm, as far as the widest "
        "ring: send the whole series."
    )
    lenient = _complete(_decide(_drawn(at_the_edge), LENIENT))
    assert [one.code for one in lenient.warnings] == ["contoured-slices-listed", "ring-cut"]
    assert lenient.warnings[1].sentence == f"{sentence.partition(': send')[0]}."
    near = replace(STRICT, beyond_gtv_mm=1.5)
    assert _codes(_decide(_drawn(at_the_edge), near)) == ["contoured-slices-listed"]


def test_a_series_with_a_gap_is_not_whole() -> None:
    contents = replace(CONTOURED, ct=CT[:3] + CT[4:])
    assert _incomplete(_decide(contents, STRICT)) == (
        "A slice is missing among the 11 CT slices, which are expected 3 mm apart: send the whole "
        "series."
    )
    assert _codes(_decide(contents, LENIENT)) == ["contoured-slices-listed", "ring-cut"]


def test_without_positions_nothing_is_said_to_be_whole() -> None:
    lost = (replace(CT[0], plane=None), *CT[1:])
    contents = _drawn(manifest(listed((), "1.1")), lost)
    assert "do not say where they lie" in _incomplete(_decide(contents, STRICT))


@pytest.mark.parametrize("policy", [LENIENT, STRICT])
def test_without_a_list_the_named_series_is_used_whole(policy: Policy) -> None:
    named = _drawn(manifest(listed((), "1.1")), slices("1.3") + CT + slices("1.2", 20))
    decision = _complete(_decide(named, policy))
    assert decision.ct == CT
    assert [tuple(one) for one in decision.warnings] == [
        (
            "no-list",
            (
                "The RTSTRUCT lists no instance of the CT: a whole series of 12 slices is used, "
                "chosen by the Series Instance UID that the RTSTRUCT lists."
            ),
        )
    ]


def test_a_later_slice_is_another_content() -> None:
    later = slices("1.1", 13)
    first, second = (
        _complete(_decide(replace(CONTOURED, ct=ct), LENIENT)).content_digest for ct in (CT, later)
    )
    assert first != second


def test_a_missing_slice_is_counted_leniently_and_refused_strictly() -> None:
    contents = replace(WHOLE, ct=CT[1:])
    lenient = _complete(_decide(contents, LENIENT))
    assert lenient.ct == CT[1:]
    (warning,) = lenient.warnings
    assert tuple(warning) == (
        "list-unmet",
        (
            "The RTSTRUCT lists 12 CT instances, of which 11 are here; matched with 11 slices by "
            "the Series Instance UID that the RTSTRUCT lists."
        ),
    )
    assert _incomplete(_decide(contents, STRICT)) == (
        "The RTSTRUCT lists 12 CT instances, of which 11 are here: send the 1 that is missing."
    )


def test_without_ct_or_without_rtstruct_the_sentence_says_so() -> None:
    nothing = StudyContents((), WHOLE.rtstructs)
    assert "no CT slice: send the CT series" in _incomplete(_decide(nothing, LENIENT))
    assert _incomplete(_decide(StudyContents(CT, ()), LENIENT)).startswith(
        "12 CT slices have arrived but no RTSTRUCT: send"
    )
    only_scout = replace(nothing, ct=slices("1.5", 1, is_localizer=True))
    assert "no CT slice but a localizer" in _incomplete(_decide(only_scout, LENIENT))
    others = replace(nothing, ct_of_another_patient=True)
    assert "here under another Patient ID" in _incomplete(_decide(others, LENIENT))


@pytest.mark.parametrize(
    ("sop_class", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.2.1", "Enhanced CT Image Storage"),
        ("1.2.840.10008.5.1.4.1.1.4", "MR Image Storage"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_an_rtstruct_on_images_that_are_never_taken_says_so(sop_class: str, name: str) -> None:
    elsewhere = StudyContents((), (rtstruct(manifest(other_classes=(sop_class,))),))
    assert _incomplete(_decide(elsewhere, LENIENT)) == (
        f"An RTSTRUCT has arrived that names images of {name}, expected CT Image Storage, which "
        "alone is taken: send the CT as single slices of that SOP Class, and the RTSTRUCT that was "
        "drawn on them."
    )
    both = manifest(listed(uids(CT), "1.1"), other_classes=(sop_class,))
    assert "no CT slice: send" in _incomplete(
        _decide(StudyContents((), (rtstruct(both),)), LENIENT)
    )


def test_a_study_whose_rtstruct_was_drawn_on_the_ct_of_another_is_joined_to_it() -> None:
    for policy in (None, STRICT):
        assert _decide(StudyContents((), (), joined_to="other"), policy) == Joined("other")


def test_a_localizer_in_the_list_is_left_out() -> None:
    scout = slices("1.5", 1, frame="1.9", is_localizer=True)
    in_the_series = tuple(
        replace(one, series_instance_uid="1.1", sop_instance_uid="1.1.99") for one in scout
    )
    for ct, also in ((scout + CT, scout), (in_the_series + CT, in_the_series)):
        said = manifest(listed(uids(CT) + uids(also), "1.1"))
        decision = _complete(_decide(_drawn(said, ct)))
        assert (decision.ct, decision.warnings) == (CT, ())
    # a localizer is no slice without a contour that would make a list a manifest
    said = manifest(listed(uids(CT[5:7]) + uids(scout), "1.1"))
    assert _decide(_drawn(said, scout + CT)) == Waiting()
    # one that nobody sent is not waited for, as it is listed as a series of its own
    said = manifest(listed(uids(CT), "1.1"), listed(("1.6.1",), "1.6"))
    assert _complete(_decide(_drawn(said), STRICT)).warnings == ()


def test_a_damaged_slice_that_is_needed_leaves_the_study_incomplete_and_is_named() -> None:
    damaged = (DamagedMention(CT[0].sop_instance_uid, "1.1"),)
    sentence = _incomplete(_decide(replace(WHOLE, ct=CT[1:], damaged=damaged), LENIENT))
    assert "1 of the missing were received damaged and are quarantined" in sentence


def test_a_damaged_instance_of_another_series_is_a_warning() -> None:
    contents = replace(WHOLE, ct=CT[1:], damaged=(DamagedMention("1.5.1", "1.5"),))
    found = _complete(_decide(contents, LENIENT)).warnings[-1]
    assert found.code == "damaged-elsewhere"
    assert "1 instance was received damaged" in found.sentence


def test_a_damaged_rtstruct_is_named_while_none_is_here() -> None:
    contents = StudyContents(CT, (), (DamagedMention("1.7", "1.6"),))
    assert "(1 instance was received damaged and quarantined)" in _incomplete(
        _decide(contents, LENIENT)
    )
    nothing = StudyContents((), (), (DamagedMention("1.7", "1.6"),))
    assert _incomplete(_decide(nothing, LENIENT)).startswith("1 instance was received damaged")


def test_series_that_nothing_tells_apart_are_refused_with_what_would_tell() -> None:
    contents = _drawn(manifest(), CT + slices("1.2"))
    assert _decide(contents) == Waiting()
    decision = _decide(contents, LENIENT)
    assert isinstance(decision, Contradictory)
    assert decision.sentence == (
        "2 CT series fit the GTV equally, and nothing in the RTSTRUCT tells on which it was drawn: "
        "export it with its references to the images, or send only the CT that was contoured."
    )


@pytest.mark.parametrize("z", [(15.0, 18.0), (33.0, 36.0)])
def test_a_ct_that_was_split_into_series_is_refused_and_not_cut_to_a_part(
    z: tuple[float, ...],
) -> None:
    rest = slices("1.2", 3, z0=36.0)
    images = [one.sop_instance_uid for one in CT + rest if one.plane and one.plane.position[2] in z]
    said = manifest(
        listed(uids(CT), "1.1"), listed(uids(rest), "1.2"), rois=(roi(z=z, images=images),)
    )
    assert _decide(_drawn(said)) == Waiting()  # the other part may still come
    decision = _decide(_drawn(said, CT + rest), LENIENT)
    assert isinstance(decision, Contradictory)
    assert decision.sentence == (
        "The CT came in 2 series, together 15 slices one after the other on one grid, expected one "
        "series: it was split on the way. Send it as one series, as the scanner made it."
    )


def test_evidence_that_contradicts_the_one_that_decided_is_told() -> None:
    other = slices("1.2")
    said = manifest(listed(uids(other), "1.2"), rois=(roi(images=uids(CT[5:7])),))
    decision = _complete(_decide(_drawn(said, CT + other), LENIENT))
    assert decision.ct == CT
    assert decision.choice.decided_by is Evidence.CONTOUR_IMAGES
    assert [tuple(one) for one in decision.warnings[1:]] == [
        (
            "listed-series-contradict",
            (
                "The CT was chosen by the images that the GTV's contours name, but another CT "
                "series is meant by the Series Instance UID that the RTSTRUCT lists: check on "
                "which the GTV was drawn."
            ),
        ),
        (
            "listed-images-contradict",
            (
                "The CT was chosen by the images that the GTV's contours name, but another CT "
                "series is meant by the instances that the RTSTRUCT lists: check on which the GTV "
                "was drawn."
            ),
        ),
    ]


def test_a_named_series_that_is_not_here_is_told() -> None:
    decision = _decide(_drawn(manifest(listed((), "1.8"))), LENIENT)
    assert _codes(decision) == ["no-list", "listed-series-not-here"]
    assert _complete(decision).choice.decided_by is Evidence.FRAME_OF_REFERENCE


def test_what_the_contours_name_is_waited_for_before_a_list_of_another_series_is_believed() -> None:
    said = manifest(listed(uids(CT), "1.1"), rois=(roi(images=("1.2.05", "1.2.06")),))
    assert _decide(_drawn(said)) == Waiting()
    assert _codes(_decide(_drawn(said), STRICT)) == ["contour-images-not-here"]
    both = CT + slices("1.2")
    assert _complete(_decide(_drawn(said, both), LENIENT)).ct == slices("1.2")


def test_the_newest_rtstruct_is_used_whatever_the_order_and_that_is_told() -> None:
    by_list = listed(uids(CT), "1.1")
    three = [
        rtstruct(manifest(by_list, made_at=made), uid)
        for uid, made in (
            ("1.7.9", ("20230101", "", "", "")),
            ("1.7.1", ("20240101", "0900", "", "")),
            ("1.7.2", ("20240101", "0900", "", "")),
        )
    ]
    for order in itertools.permutations(three):
        decision = _complete(_decide(StudyContents(CT, order)))
        assert decision.rtstruct.sop_instance_uid == "1.7.2"
        assert [tuple(one) for one in decision.warnings] == [
            (
                "several-rtstructs",
                (
                    "The study holds 3 RTSTRUCTs: 2 of them have the same newest structure set "
                    "date and time, or none, and the one with the largest SOP Instance UID is "
                    "used: check that it is the one in use."
                ),
            )
        ]


@pytest.mark.parametrize(
    ("newer", "older", "is_told"),
    [
        ("UNAPPROVED", "APPROVED", True),
        ("REJECTED", "APPROVED", True),
        ("APPROVED", "APPROVED", False),
        ("UNAPPROVED", "UNAPPROVED", False),
        ("", "APPROVED", False),
    ],
)
def test_an_older_rtstruct_that_is_approved_is_told_where_the_newest_is_not(
    newer: str, older: str, *, is_told: bool
) -> None:
    by_list = listed(uids(CT), "1.1")
    two = (
        rtstruct(manifest(by_list, approval=newer), "1.7.1"),
        rtstruct(manifest(by_list, made_at=("20230101", "", "", ""), approval=older), "1.7.2"),
    )
    decision = _complete(_decide(StudyContents(CT, two)))
    assert decision.rtstruct.sop_instance_uid == "1.7.1"
    (told,) = decision.warnings
    assert (f"It is {newer} by its Approval Status" in told.sentence) == is_told


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (("2024.05.17", "", "", ""), ("20240516", "0830", "", "")),
        (("2024-05-17", "", "", ""), ("20240516", "", "", "")),
        (("20240517", "08:30:00", "", ""), ("20240517", "082959.999", "", "")),
        (("20240517", "083000.2", "", ""), ("20240517", "083000", "", "")),
        (("20240517", "", "", ""), ("99999999", "", "", "")),
        (("", "", "20240517", ""), ("unknown", "235959", "20230517", "")),
        (("", "", "20240517", "0830"), ("20240516", "0900", "20240516", "0900")),
        (("", "", "20240517", "0830"), ("20240517", "0800", "20240601", "0900")),
    ],
)
def test_dates_are_compared_as_dates(
    newer: tuple[str, str, str, str], older: tuple[str, str, str, str]
) -> None:
    by_list = listed(uids(CT), "1.1")
    two = (
        rtstruct(manifest(by_list, made_at=newer), "1.7.1"),
        rtstruct(manifest(by_list, made_at=older), "1.7.2"),
    )
    decision = _complete(_decide(StudyContents(CT, two)))
    assert decision.rtstruct.sop_instance_uid == "1.7.1"
    assert [one.sentence for one in decision.warnings] == [
        "The study holds 2 RTSTRUCTs: the newest by structure set date and time is used."
    ]


@pytest.mark.parametrize(("older", "has_it"), [("GTV-1", True), ("Boost", False), (None, False)])
def test_an_older_rtstruct_that_has_the_gtv_is_noted_where_the_newest_lacks_it(
    older: str | None, *, has_it: bool
) -> None:
    by_list = listed(uids(CT), "1.1")
    new = rtstruct(manifest(by_list, rois=(roi("Boost"),)), "1.7.2")
    before = ("20230101", "", "", "")
    old = (
        [rtstruct(manifest(by_list, rois=(roi(older),), made_at=before), "1.7.1")] if older else []
    )
    decision = _complete(_decide(StudyContents(CT, (new, *old))))
    assert decision.gtv.verdict is NameVerdict.NONE
    assert decision.gtv.roi.number is None
    assert decision.older_has_gtv == has_it


def test_an_older_rtstruct_that_has_drawn_what_is_undrawn_in_the_newest_is_noted() -> None:
    by_list = listed(uids(CT), "1.1")
    new = rtstruct(manifest(by_list, rois=(roi(z=()),)), "1.7.2")
    old = rtstruct(manifest(by_list, made_at=("20230101", "", "", "")), "1.7.1")
    decision = _complete(_decide(StudyContents(CT, (new, old)), LENIENT))
    assert decision.gtv.verdict is NameVerdict.ONE
    assert decision.older_has_gtv
    assert not _complete(_decide(StudyContents(CT, (new,)), LENIENT)).older_has_gtv


def test_slices_of_another_patient_contradict() -> None:
    other = (*CT[:-1], replace(CT[-1], patient_key="q"))
    decision = _decide(replace(WHOLE, ct=other))
    assert isinstance(decision, Contradictory)
    assert "different Patient IDs" in decision.sentence


def _read(folder: Path) -> tuple[tuple[CtInstance, ...], Manifest]:
    ct = []
    for path in sorted((folder / "ct").glob("*.dcm")):
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
                header.is_localizer,
            )
        )
    drawn = read_part10(next((folder / "rtstruct").glob("*.dcm")))
    said = read_instance(drawn.dataset, drawn.transfer_syntax).manifest
    assert said is not None
    return tuple(ct), said


def _contents(ct: tuple[CtInstance, ...], said: Manifest) -> StudyContents:
    return StudyContents(ct, (RtstructInstance("1.2", "p", "content", said),))


@pytest.mark.real_data
@pytest.mark.parametrize(
    "patient", ["STS_001", "STS_002", "STS_003", "STS_008", "STS_019", "STS_025"]
)
def test_every_sts_patient_is_matched_by_the_series_that_is_named(
    real_data: Path, patient: str
) -> None:
    ct, said = _read(real_data / "sts" / patient)
    contents = _contents(ct, said)
    pattern = "gtv_mass_ct"
    assert decide(contents, pattern) == Waiting()
    decision = _complete(decide(contents, pattern, LENIENT))
    count = len(said.referenced_sop_instance_uids)
    assert decision.ct == tuple(sorted(ct, key=lambda one: one.sop_instance_uid))
    assert [tuple(one) for one in decision.warnings] == [
        (
            "list-unmet",
            (
                f"The RTSTRUCT lists {count} CT instances, of which 0 are here; matched with "
                f"{len(ct)} slices by the Series Instance UID that the RTSTRUCT lists."
            ),
        )
    ]
    sentence = _incomplete(decide(contents, pattern, STRICT))
    verb = "is" if count == 1 else "are"
    assert f"send the {count} that {verb} missing" in sentence


@pytest.mark.real_data
@pytest.mark.parametrize("policy", [LENIENT, STRICT])
def test_pat1_with_a_list_of_its_contoured_slices_only_is_taken_whole(
    real_data: Path, policy: Policy
) -> None:
    ct, said = _read(real_data / "pat1")
    assert len(_complete(decide(_contents(ct, said), PATTERN)).ct) == 60
    (gtv,) = said.rois
    depths = {point[2] for point in gtv.drawn.planes_mm}
    contoured = tuple(
        one.sop_instance_uid
        for one in ct
        if one.plane and round(one.plane.position[2], 2) in depths
    )
    assert len(contoured) == 26
    (series,) = said.series
    short = replace(
        said,
        series=(
            ListedSeries(series.series_instance_uid, series.frame_of_reference_uid, contoured),
        ),
    )
    assert decide(_contents(ct, short), PATTERN) == Waiting()
    decision = _complete(decide(_contents(ct, short), PATTERN, policy))
    assert len(decision.ct) == 60
    assert [one.code for one in decision.warnings] == ["contoured-slices-listed"]
