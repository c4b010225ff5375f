"""A training patient is recognised at whichever centre it comes from: under other UIDs with the
same pixels, under the same UIDs, and as the same person on other images.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_store.imaging.image_marks import ImageMarks
from feature_store.study_identity import StudyIdentity
from models.bundle.training_digests import training_digests
from validation_reports.cohort.trained_on import Leak, TrainedOn


def marks(name: str, *persons: str) -> ImageMarks:
    return ImageMarks(
        None,
        tuple(f"{name}-uid{number:02d}" for number in range(16)),
        tuple(f"{name}-pixels{number:02d}" for number in range(16)),
        persons,
    )


def study(patient: int) -> StudyIdentity:
    return StudyIdentity("T", f"t{patient}", f"s{patient}", f"c{patient}")


TRAINED = marks("trained", "person")
OTHER = marks("other", "somebody")


def by_digests() -> TrainedOn:
    return TrainedOn(training_digests([TRAINED.pixels], [TRAINED.instances], TRAINED.persons))


def by_the_store() -> TrainedOn:
    return TrainedOn(None, (), {study(1): TRAINED})


@pytest.mark.parametrize("known", [by_digests(), by_the_store()])
def test_each_way_of_coming_again_is_found(known: TrainedOn) -> None:
    assert known.is_known
    assert known.leak(replace(OTHER, pixels=TRAINED.pixels)) is Leak.IMAGES
    assert known.leak(replace(OTHER, instances=TRAINED.instances)) is Leak.IMAGES
    assert known.leak(replace(OTHER, persons=("x", "person"))) is Leak.PERSON
    assert known.leak(TRAINED) is Leak.IMAGES
    assert known.leak(OTHER) is None
    assert known.leak(ImageMarks(None, (), ())) is None


def test_a_name_that_stands_for_many_is_no_person() -> None:
    alike = {study(n): marks(f"t{n}", f"id {n}", "anonymous") for n in range(3)}
    known = TrainedOn(None, (), {**alike, study(3): marks("t3", "named")})
    assert known.leak(replace(OTHER, persons=("id 1", "anonymous"))) is None
    assert known.leak(replace(OTHER, persons=("named",))) is Leak.PERSON
    assert known.leak(alike[study(1)]) is Leak.IMAGES


def test_bundles_of_before_name_pixels_without_salt() -> None:
    known = TrainedOn(None, [TRAINED.pixels, ()])
    assert known.leak(replace(OTHER, pixels=TRAINED.pixels)) is Leak.IMAGES
    assert known.leak(replace(OTHER, instances=TRAINED.instances)) is None


def test_nothing_is_known_of_nothing() -> None:
    assert not TrainedOn(None, [()]).is_known
    assert not TrainedOn(training_digests([], [], [])).is_known


def test_the_warning_says_what_follows() -> None:
    assert Leak.PERSON.warning.startswith(
        "The model was trained on other images of the same person, expected a patient whom"
    )
