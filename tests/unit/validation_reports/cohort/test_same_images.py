"""The same images are found in training, at two centres and under two names, and only there."""

from __future__ import annotations

from feature_store.imaging.image_marks import ImageMarks
from feature_store.study_identity import StudyIdentity
from validation_reports.cohort.same_images import NOT_COMPARED, TRAINING_UNKNOWN, same_images
from validation_reports.cohort.trained_on import Leak, TrainedOn


def study(center: str, patient: str) -> StudyIdentity:
    return StudyIdentity(center, patient, f"s{center}{patient}", f"c{center}{patient}")


def marks(name: str, lacking: int = 0) -> ImageMarks:
    return ImageMarks(
        None,
        tuple(f"{name}-uid{number:02d}" for number in range(lacking, 16)),
        tuple(f"{name}-pixels{number:02d}" for number in range(lacking, 16)),
    )


def anew(one: ImageMarks) -> ImageMarks:
    """The same pixels under new UIDs, as an anonymiser leaves them."""
    return ImageMarks(None, tuple(f"new-{uid}" for uid in one.instances), one.pixels)


TRAINED = study("T", "t1")
KNOWN = {TRAINED: marks("trained")}
HERE = TrainedOn(None, (), KNOWN)


def test_different_patients_are_told_apart() -> None:
    one, two = study("A", "a1"), study("B", "b1")
    found = same_images(
        ["A", "B"], {"A": [one], "B": [two]}, {**KNOWN, one: marks("x"), two: marks("y")}, HERE
    )
    assert not found["A"].refused
    assert not found["B"].refused
    assert not found["A"].warnings


def test_a_patient_of_the_training_is_refused_by_uid_pixels_or_the_bundle_alone() -> None:
    one, two = study("B", "b1"), study("B", "b2")
    scored = {"B": [one, two]}
    by_uid = {one: ImageMarks(None, marks("trained").instances, ()), two: marks("y")}
    by_pixels = {one: anew(marks("trained", lacking=8)), two: marks("y")}
    for here in (by_uid, by_pixels):
        found = same_images(["B"], scored, {**KNOWN, **here}, HERE)["B"]
        assert found.refused == {"b1": Leak.IMAGES}
    found = same_images(["B"], scored, by_pixels, TrainedOn(None, [marks("trained").pixels]))["B"]
    assert found.refused == {"b1": Leak.IMAGES}
    assert not found.warnings


def test_a_patient_at_two_centres_is_analysed_at_the_first_and_named_at_the_other() -> None:
    one, two = study("A", "a1"), study("B", "b1")
    here = {**KNOWN, one: marks("x"), two: anew(marks("x"))}
    scored = {"A": [one], "B": [two]}
    found = same_images(["A", "B"], scored, here, HERE)
    assert not found["A"].refused
    assert found["B"].refused == {"b1": "the same images are analysed at centre A as patient a1"}
    turned = same_images(["B", "A"], scored, here, HERE)
    assert turned["A"].refused == {"a1": "the same images are analysed at centre B as patient b1"}
    alone = same_images(["B"], scored, here, HERE)["B"]
    assert not alone.refused
    assert alone.warnings == {"the same images are at centre A too": frozenset({"b1"})}


def test_two_names_at_one_centre_are_one_patient() -> None:
    one, two = study("B", "b1"), study("B", "b2")
    here = {**KNOWN, one: marks("x"), two: marks("x")}
    found = same_images(["B"], {"B": [one, two]}, here, HERE)["B"]
    assert found.refused == {"b2": "the same images are analysed at centre B as patient b1"}


def test_two_cts_of_one_patient_are_no_other_patient() -> None:
    one = study("B", "b1")
    other = StudyIdentity("B", "b1", "s2", "c2")
    here = {**KNOWN, one: marks("x"), other: marks("x")}
    assert not same_images(["B"], {"B": [one, other]}, here, HERE)["B"].refused


def test_what_is_not_known_is_said() -> None:
    old, new = study("B", "b1"), study("B", "b2")
    found = same_images(["B"], {"B": [old, new]}, {new: marks("x")}, TrainedOn(None))["B"]
    assert found.warnings == {
        NOT_COMPARED: frozenset({"b1"}),
        TRAINING_UNKNOWN: frozenset({"b2"}),
    }
