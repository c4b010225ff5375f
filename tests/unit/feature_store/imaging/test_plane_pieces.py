"""Pieces of a plane are those of scipy, which labels pixel by pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from feature_store.imaging.plane_pieces import largest_piece, long_pieces, without_holes

Mask = npt.NDArray[np.bool_]


def random_mask(share: float, seed: int) -> Mask:
    """Pixels of noise and of a smooth field, so that there are pieces of all sizes and shapes."""
    random = np.random.default_rng(seed)
    shape = (random.integers(4, 60), random.integers(4, 70))
    smooth = ndimage.gaussian_filter(random.normal(size=shape), random.uniform(0, 2))
    return np.asarray(smooth <= np.quantile(smooth, share), dtype=np.bool_)


masks = pytest.mark.parametrize(
    "mask",
    [random_mask(share, seed) for share in (0.1, 0.4, 0.6, 0.9) for seed in range(12)]
    + [np.zeros((5, 6), np.bool_), np.ones((5, 6), np.bool_)],
)


@masks
def test_what_a_mask_encloses_is_filled(mask: Mask) -> None:
    np.testing.assert_array_equal(without_holes(mask), ndimage.binary_fill_holes(mask))


@masks
def test_the_piece_with_most_counted_pixels(mask: Mask) -> None:
    counted = mask & random_mask_like(mask)
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels[counted], minlength=2)
    expected = labels == 1 + int(sizes[1:].argmax()) if counted.any() else np.zeros_like(mask)
    np.testing.assert_array_equal(largest_piece(mask, counted), expected)


@masks
def test_pieces_that_are_longer_than_a_way(mask: Mask) -> None:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    long = sizes * 0.7 > 4.2  # six pixels are no longer than that
    long[0] = False
    np.testing.assert_array_equal(long_pieces(mask, 0.7, 4.2), long[labels])


def test_a_view_that_is_not_contiguous() -> None:
    mask = random_mask(0.6, 3)
    np.testing.assert_array_equal(without_holes(mask.T), without_holes(mask).T)


def random_mask_like(mask: Mask) -> Mask:
    return np.random.default_rng(mask.size).random(mask.shape) < 0.5
