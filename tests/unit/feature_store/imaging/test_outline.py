"""An outline runs once around the largest part of a mask, along the edges of its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from feature_store.imaging.outline import outline


def _area(line: np.ndarray) -> float:
    x, y = line[:-1].T
    after_x, after_y = line[1:].T
    return float(np.sum(x * after_y - after_x * y)) / 2


def test_one_pixel_has_four_corners() -> None:
    pixels = np.zeros((5, 6), np.bool_)
    pixels[2, 3] = True
    assert outline(pixels).tolist() == [[3, 2], [4, 2], [4, 3], [3, 3], [3, 2]]


def test_a_part_at_the_edge_of_the_image_is_closed_there() -> None:
    pixels = np.ones((2, 3), np.bool_)
    assert outline(pixels).tolist() == [[0, 0], [3, 0], [3, 2], [0, 2], [0, 0]]


@pytest.mark.parametrize("seed", range(20))
def test_it_encloses_the_largest_part_with_its_holes(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(24, 30))
    pixels = ndimage.gaussian_filter(noise, 1.2) > 0.05
    numbered, _ = ndimage.label(pixels)
    largest = numbered == np.argmax(np.bincount(numbered.ravel())[1:]) + 1
    line = outline(pixels)
    assert line[0].tolist() == line[-1].tolist()
    steps = np.diff(line, axis=0)
    assert (np.count_nonzero(steps, axis=1) == 1).all()
    # Holes that touch the outside at a corner are outside of the line.
    outside, _ = ndimage.label(np.pad(~largest, 1, constant_values=True), structure=np.ones((3, 3)))
    filled = (outside != outside[0, 0])[1:-1, 1:-1]
    assert _area(line) >= filled.sum() - 1e-9
    assert _area(line) <= ndimage.binary_fill_holes(largest).sum() + 1e-9
