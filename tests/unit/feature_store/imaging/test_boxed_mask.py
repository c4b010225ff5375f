"""Masks within boxes are the same masks."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.errors import RegionError
from feature_store.imaging.boxed_mask import BoxedMask, bounding_box, relative, union, with_margin


def scattered() -> np.ndarray:
    mask = np.zeros((7, 8, 9), dtype=bool)
    mask[2, 3, 4] = mask[4, 3, 8] = True
    return mask


def test_the_bounding_box_is_tight() -> None:
    assert bounding_box(scattered()) == (slice(2, 5), slice(3, 4), slice(4, 9))


def test_a_mask_survives_its_box() -> None:
    mask = scattered()
    boxed = BoxedMask.of(mask)
    assert (boxed.count, boxed.voxels.shape, boxed.grid_shape) == (2, (3, 1, 5), (7, 8, 9))
    np.testing.assert_array_equal(boxed.whole(), mask)
    loose = BoxedMask(mask[1:6, 2:7, 3:], (slice(1, 6), slice(2, 7), slice(3, 9)), mask.shape)
    assert loose.tight().box == boxed.box
    np.testing.assert_array_equal(loose.tight().whole(), mask)


def test_a_part_may_lie_anywhere() -> None:
    boxed = BoxedMask.of(scattered())
    assert boxed.cut((slice(0, 2), slice(0, 8), slice(0, 9))).sum() == 0
    np.testing.assert_array_equal(
        boxed.cut((slice(4, 7), slice(0, 5), slice(6, 9))), scattered()[4:7, :5, 6:9], strict=True
    )


def test_boxes_grow_and_join_within_the_grid() -> None:
    first, second = (slice(1, 3), slice(4, 5), slice(0, 9)), (slice(2, 6), slice(1, 2), slice(3, 4))
    assert union(first, second) == (slice(1, 6), slice(1, 5), slice(0, 9))
    assert with_margin(first, 2, (4, 9, 9)) == (slice(0, 4), slice(2, 7), slice(0, 9))
    assert relative(first, (slice(1, 9), slice(2, 9), slice(0, 9))) == (
        slice(0, 2),
        slice(2, 3),
        slice(0, 9),
    )


@pytest.mark.parametrize(
    "box", [(slice(5, 8), slice(3, 4), slice(4, 9)), (slice(2, 5), slice(3, 5), slice(4, 9))]
)
def test_a_box_that_does_not_fit_is_refused(box: tuple[slice, slice, slice]) -> None:
    with pytest.raises(RegionError, match="equal shapes and a box within the grid"):
        BoxedMask(scattered()[2:5, 3:4, 4:9], box, (7, 8, 9))
