"""However a patient was encoded, the grid ends in the same order, with every voxel where it was."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.orientation import in_lps_order
from tests.support.ct_volumes import ct_of, oblique

SHAPE = (5, 6, 7)
ENCODINGS = [
    (order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]


def test_a_ct_in_order_is_returned_as_it_is() -> None:
    volume, mask = _study()
    turned, same = in_lps_order(volume, mask)
    assert turned is volume
    assert same is mask


@pytest.mark.parametrize(("order", "signs"), ENCODINGS)
def test_each_of_the_48_encodings_gives_the_same_grid(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume, mask = _study()
    encoded, drawn = _encoded(volume, mask, order, signs)
    turned, found = in_lps_order(encoded, drawn)
    np.testing.assert_array_equal(turned.hu, volume.hu)
    np.testing.assert_array_equal(found, mask)
    assert turned.spacing_mm == volume.spacing_mm
    np.testing.assert_allclose(turned.origin_mm, volume.origin_mm, atol=1e-9)
    np.testing.assert_allclose(turned.direction, volume.direction, atol=1e-12)


@pytest.mark.parametrize("degrees", [1.0, 15.0, 44.9])
def test_an_oblique_ct_keeps_every_voxel_where_it_was(degrees: float) -> None:
    values = np.arange(float(np.prod(SHAPE))).reshape(SHAPE)
    volume = ct_of(values, (0.8, 0.9, 3.0), oblique(degrees))
    mask = values % 3 == 0
    encoded, drawn = _encoded(volume, mask, (1, 0, 2), (-1, 1, -1))
    turned, found = in_lps_order(encoded, drawn)
    np.testing.assert_array_equal(turned.hu, volume.hu)
    np.testing.assert_array_equal(found, mask)
    np.testing.assert_allclose(turned.origin_mm, volume.origin_mm, atol=1e-9)


def _study() -> tuple[CtVolume, npt.NDArray[np.bool_]]:
    values = np.random.default_rng(3).normal(0, 200, SHAPE)
    return ct_of(values, (0.8, 0.9, 3.0)), values > 100


def _encoded(
    volume: CtVolume, mask: npt.NDArray[np.bool_], order: tuple[int, ...], signs: tuple[int, ...]
) -> tuple[CtVolume, npt.NDArray[np.bool_]]:
    """Store the same voxels with axes exchanged and reversed, place by place: new axis i runs along
    old axis order[i].
    """
    size = volume.hu.shape[::-1]
    hu = np.empty([size[axis] for axis in order][::-1], dtype=np.float32)
    drawn = np.empty(hu.shape, dtype=np.bool_)
    for place in np.ndindex(hu.shape):
        old = [0, 0, 0]
        for axis, sign, index in zip(order, signs, place[::-1], strict=True):
            old[axis] = index if sign > 0 else size[axis] - 1 - index
        hu[place] = volume.hu[tuple(old[::-1])]
        drawn[place] = mask[tuple(old[::-1])]
    first = [0 if sign > 0 else size[axis] - 1 for axis, sign in zip(order, signs, strict=True)]
    origin = np.asarray(volume.origin_mm, dtype=float)
    for axis, index in zip(order, first, strict=True):
        origin = origin + volume.axes[:, axis] * index * volume.spacing_mm[axis]
    columns = [sign * volume.axes[:, axis] for axis, sign in zip(order, signs, strict=True)]
    spacing = [volume.spacing_mm[axis] for axis in order]
    encoded = CtVolume(
        hu,
        (spacing[0], spacing[1], spacing[2]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(np.column_stack(columns).ravel().tolist()),
        volume.frame_of_reference_uid,
        volume.series_instance_uid,
        volume.acquisition,
    )
    return encoded, drawn
