"""Each change does what its name says, within its range, and the same for the same seed, epoch and
patient.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import TrainingError
from models.network.augmentation import (
    Augmentation,
    augment,
    augmented_batch,
    rotate,
)

NOTHING = Augmentation(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, mirror=False)


@pytest.fixture(scope="module")
def volume() -> NDArray[np.float32]:
    image = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    image[4:8, 5:12, 6:9] += 3
    return image


def changed(volume: NDArray[np.float32], seed: int = 1, **ranges: Any) -> NDArray[np.float32]:
    return augment(volume, replace(NOTHING, **ranges), np.random.default_rng(seed))


def test_nothing_is_nothing(volume: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(changed(volume), volume, atol=1e-6)


def test_contrast_keeps_the_mean_and_scales_the_spread(volume: NDArray[np.float32]) -> None:
    other = changed(volume, contrast=0.2)
    assert other.mean() == pytest.approx(volume.mean(), abs=1e-6)
    assert other.std() / volume.std() != pytest.approx(1, abs=1e-3)
    assert 0.8 <= other.std() / volume.std() <= 1.2


def test_brightness_moves_every_voxel_alike(volume: NDArray[np.float32]) -> None:
    moved = changed(volume, brightness=0.2) - volume
    assert np.ptp(moved) < 1e-5
    assert 1e-3 < abs(float(moved.mean())) <= 0.2


def test_gamma_keeps_range_and_order(volume: NDArray[np.float32]) -> None:
    other = changed(volume, gamma=0.2)
    assert (other.min(), other.max()) == pytest.approx((volume.min(), volume.max()), abs=1e-5)
    order = np.argsort(volume, axis=None)
    assert (np.diff(other.ravel()[order]) >= -1e-6).all()
    assert np.abs(other - volume).max() > 1e-2
    assert np.isfinite(changed(np.full((4, 4, 4), 2.0, dtype=np.float32), gamma=0.2)).all()


def test_noise_is_gaussian_and_blur_smooths(volume: NDArray[np.float32]) -> None:
    noise = changed(volume, noise=0.1) - volume
    assert 1e-3 < noise.std() < 0.1
    assert abs(noise.mean()) < 0.01
    assert np.diff(changed(volume, blur_voxels=2.0), axis=0).std() < np.diff(volume, axis=0).std()


def test_mirroring_and_rotation_move_voxels(volume: NDArray[np.float32]) -> None:
    mirrored = {changed(volume, seed, mirror=True).tobytes() for seed in range(40)}
    assert len(mirrored) == 8
    np.testing.assert_allclose(
        rotate(volume, np.array([1.0, 0, 0]), 90), np.rot90(volume, axes=(2, 1)), atol=1e-5
    )
    turned = changed(volume, rotation_degrees=15.0)
    assert turned.shape == volume.shape
    assert np.abs(turned - volume).max() > 0.1


def test_the_same_patient_in_the_same_epoch_looks_the_same(volume: NDArray[np.float32]) -> None:
    volumes = np.stack([volume, volume + 1])[..., np.newaxis]
    both = augmented_batch(volumes, np.array([1, 0]), Augmentation(), seed=3, epoch=2)
    alone = augmented_batch(volumes, np.array([0]), Augmentation(), seed=3, epoch=2)
    np.testing.assert_array_equal(both[1], alone[0])
    assert (augmented_batch(volumes, np.array([0]), Augmentation(), seed=3, epoch=3) != alone).any()
    np.testing.assert_array_equal(
        augmented_batch(volumes, np.array([1]), Augmentation(probability=0.0), 3, 2), volumes[1:]
    )


@pytest.mark.parametrize(
    "wrong", [{"probability": 1.1}, {"noise": -0.1}, {"contrast": 2.0}, {"gamma": float("nan")}]
)
def test_ranges_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="The augmentation's"):
        Augmentation(**wrong)
