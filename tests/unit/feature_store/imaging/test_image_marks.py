"""Marks recognise images whatever their names, and keep the order of acquisition without a date."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.image_marks import (
    SKETCH,
    ImageMarks,
    image_marks,
    person_names,
    persons_of,
    pixel_digests,
)
from feature_store.imaging.reading import read_ct
from feature_store.study_identity import StudyIdentity
from tests.support.dicom_files import write_ct


def volume_of(hu: np.ndarray) -> CtVolume:
    acquisition = Dataset()
    return CtVolume(
        hu.astype(np.float32),
        (1.0, 1.0, 3.0),
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        None,
        "1.2",
        acquisition,  # type: ignore[arg-type]
    )


def random_hu(seed: int, slices: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 500, (slices, 8, 8))


def marks(hu: np.ndarray) -> ImageMarks:
    return ImageMarks(None, (), pixel_digests(volume_of(hu)))


def test_the_same_images_are_recognised_where_some_are_missing_and_others_are_not() -> None:
    hu = random_hu(1)
    whole = marks(hu)
    assert len(whole.pixels) == SKETCH
    assert whole.same_images(marks(hu))
    assert whole.same_images(marks(hu[5:]))
    assert whole.same_images(marks(hu[::-1]))
    assert not whole.same_images(marks(random_hu(2)))
    noisy = hu + np.random.default_rng(3).integers(0, 2, hu.shape)
    assert not whole.same_images(marks(noisy))


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-3000, 3000, 99),
        np.linspace(-2e5, 2e5, 99),  # beyond what 16 bits hold
        np.linspace(-50.5, 49.4, 99),  # just below what is flat
        np.arange(99) * 2 + 0.5,  # halves go to the even number
        np.where(np.arange(99) % 3, np.linspace(-900, 900, 99), -np.inf),
        np.full(99, -np.inf),
    ],
)
def test_a_digest_is_of_the_whole_hounsfield_units_that_were_measured(values: np.ndarray) -> None:
    hu = values.reshape(1, 9, 11).astype(np.float32)
    measured = np.maximum(hu[0], -1024.0)
    shape = np.array([9, 11], dtype="<i4").tobytes()
    digest = hashlib.sha256(shape + np.rint(measured).astype("<i4").astype("<i2").tobytes())
    expected = (digest.hexdigest()[:20],) if np.ptp(measured) >= 100 else ()
    assert pixel_digests(volume_of(hu)) == expected


def test_slices_of_air_make_no_two_patients_alike() -> None:
    one, other = random_hu(1, 3), random_hu(2, 3)
    air = np.full((30, 8, 8), -1000)
    assert not marks(np.concatenate([one, air])).same_images(marks(np.concatenate([other, air])))
    assert marks(air).pixels == ()
    assert not marks(air).same_images(marks(air))


def test_padding_marks_no_difference() -> None:
    padded = random_hu(4).astype(np.float32)
    padded[:, 0, 0] = -np.inf
    filled = padded.copy()
    filled[:, 0, 0] = -1024
    assert marks(padded).pixels == marks(filled).pixels


def test_the_order_is_kept_on_a_shifted_clock_and_no_date(tmp_path: Path) -> None:
    def acquired(date: str, time: str) -> int | None:
        def dated(_z: int, dataset: Dataset) -> None:
            dataset.AcquisitionDate, dataset.AcquisitionTime = date, time

        hu = np.random.default_rng(5).integers(-1000, 500, (3, 4, 4)).astype(np.int16)
        reading = read_ct(write_ct(tmp_path / f"{date}-{time}", hu, spoil=dated))
        datasets = reading.datasets
        volume = ct_volume(reading)
        found = image_marks(datasets, volume, lambda uid: uid[::-1], 12345, "/".join)
        assert found.instances == tuple(sorted(str(one.SOPInstanceUID)[::-1] for one in datasets))
        return found.acquired_s

    first, second = acquired("20200301", "101500"), acquired("20200312", "081500.5")
    assert first is not None
    assert second is not None
    assert second - first == 11 * 86400 - 2 * 3600
    assert first == 1583057700 + 12345


def test_a_quarter_of_the_kept_slices_is_enough_and_less_is_not() -> None:
    one = ImageMarks(None, tuple(f"a{number}" for number in range(16)), ())
    for shared, same in ((4, True), (3, False)):
        kept = one.instances[:shared] + tuple(f"b{number}" for number in range(16 - shared))
        assert one.same_images(replace(one, instances=kept)) is same


def header(**values: str) -> Dataset:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def test_a_person_is_named_alike_at_two_centres() -> None:
    one = header(
        PatientID="17", PatientName="Müller^Hans^^Dr", PatientBirthDate="19480312", PatientSex="M"
    )
    other = header(
        PatientID="A-9", PatientName="MULLER^HANS", PatientBirthDate="19480312", PatientSex="M"
    )
    assert set(person_names(one)) & set(person_names(other)) == {
        ("name", "MULLER^HANS", "19480312", "M")
    }
    same_id = header(PatientID=" 17 ", PatientBirthDate="19480312")
    assert person_names(same_id) == (("id", "17", "19480312"),)


def test_nobody_is_named_without_a_date_of_birth() -> None:
    for born in ("", "19000101", "18991231"):
        assert person_names(header(PatientID="1", PatientName="A^B", PatientBirthDate=born)) == ()
    assert person_names(header(PatientID="1", PatientName="A^B")) == ()


def test_who_is_called_as_more_than_two_are_is_nobody() -> None:
    def marked(patient: int, content: int, *persons: str) -> dict[StudyIdentity, ImageMarks]:
        study = StudyIdentity("A", f"p{patient}", f"s{patient}", f"c{content}")
        return {study: ImageMarks(None, (), (), persons)}

    twice = marked(1, 1, "id 1", "jane") | marked(1, 2, "id 1", "jane") | marked(1, 3, "jane")
    two_numbers = marked(2, 4, "id 2", "john") | marked(3, 5, "id 3", "john")
    anonymous = marked(4, 6, "id 4", "x") | marked(5, 7, "id 5", "x") | marked(6, 8, "id 6", "x")
    assert persons_of(twice | two_numbers | anonymous) == (
        *("id 1", "id 2", "id 3", "jane", "john"),
    )
    assert persons_of({}) == ()
