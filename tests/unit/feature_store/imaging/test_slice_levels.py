"""A slice of other values than its neighbours is found; where a body begins, ends or tapers, and
where it is noisy, nothing is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.slice_levels import LevelStep, level_steps
from tests.support.ct_volumes import ct_of


def body(radii: list[int], noise_hu: float = 10.0) -> npt.NDArray[np.float64]:
    """Return a slice for each radius: a disc of tissue with a lung in air, 80 x 80."""
    y, x = np.indices((80, 80)) - 40
    distance = np.hypot(y, x)
    hu = np.full((len(radii), 80, 80), -1000.0)
    for plane, radius in zip(hu, radii, strict=True):
        plane[distance < radius] = 30
        plane[distance < radius / 3] = -850
    return hu + np.random.default_rng(5).normal(0, noise_hu, hu.shape)


@pytest.mark.parametrize("shift", [1024.0, -1024.0, 150.0])
@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_slice_that_is_shifted_is_found_where_it_lies(place: int, shift: float) -> None:
    hu = body([30] * 8)
    hu[place] += shift
    steps = level_steps(ct_of(hu))
    assert len(steps) == (2 if place == 3 else 1)
    assert all(abs(abs(step.step_hu) - abs(shift)) < 5 for step in steps)
    spacing = ct_of(hu).spacing_mm[2]
    assert steps[0].to_mm - steps[0].from_mm == pytest.approx(spacing)
    assert isinstance(steps[0], LevelStep)


def test_a_slope_changes_tissue_though_not_air() -> None:
    hu = body([30] * 8)
    hu[4] = (hu[4] + 1024) * 1.3 - 1024
    assert len(level_steps(ct_of(hu))) == 2


def test_a_slice_that_is_empty_within_a_body_is_found() -> None:
    hu = body([30] * 8)
    hu[4] = -1024
    assert len(level_steps(ct_of(hu))) == 2


@pytest.mark.parametrize(
    "radii",
    [[30] * 8, [0, 0, 25, 30, 30, 25, 0, 0], [5, 9, 15, 22, 30, 30, 30, 30]],
    ids=["even", "begins and ends", "tapers"],
)
@pytest.mark.parametrize("noise_hu", [5.0, 120.0])
def test_a_body_as_it_is_has_no_step(radii: list[int], noise_hu: float) -> None:
    assert level_steps(ct_of(body(radii, noise_hu))) == ()


def test_padding_is_of_no_slice() -> None:
    hu = body([30] * 8)
    hu[:, :10] = -np.inf
    assert level_steps(ct_of(hu)) == ()
    hu[4:] += 300
    assert len(level_steps(ct_of(hu))) == 1
