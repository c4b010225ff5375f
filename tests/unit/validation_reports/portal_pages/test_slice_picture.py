"""A slice as a picture: its window, its outlines, and a PNG that others read."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from validation_reports.portal_pages.slice_picture import (
    GTV_COLOUR,
    PIXELS_A_VOXEL,
    RING_COLOURS,
    png,
    slice_picture,
)

HU = np.full((12, 16), -400, dtype=np.float32)
NOTHING = np.zeros((12, 16), dtype=np.bool_)


def _box(rows: slice, columns: slice) -> np.ndarray:
    mask = NOTHING.copy()
    mask[rows, columns] = True
    return mask


def test_the_window_goes_from_air_to_bone() -> None:
    hu = HU.copy()
    hu[0, :3] = -2000, -1000, 3000
    drawn = slice_picture(hu, NOTHING, [])
    assert drawn.shape == (12 * PIXELS_A_VOXEL, 16 * PIXELS_A_VOXEL, 3)
    assert [tuple(drawn[0, PIXELS_A_VOXEL * n]) for n in range(4)] == [
        (0, 0, 0),
        (0, 0, 0),
        (255, 255, 255),
        (109, 109, 109),
    ]


def test_the_gtv_is_outlined_and_what_lies_in_it_stays_visible() -> None:
    gtv = _box(slice(4, 8), slice(5, 10))
    drawn = slice_picture(HU, gtv, [])
    coloured = np.all(drawn == GTV_COLOUR, axis=2)
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    assert (rows[0], rows[-1]) == (12, 23)
    assert (columns[0], columns[-1]) == (15, 29)
    assert coloured.sum() == 2 * 12 + 2 * 15 - 4
    assert tuple(drawn[18, 21]) == (109, 109, 109)


def test_a_ring_is_dotted_at_its_outer_edge_only() -> None:
    gtv, outer = _box(slice(5, 7), slice(6, 9)), _box(slice(3, 9), slice(4, 11))
    drawn = slice_picture(HU, gtv, [outer & ~gtv])
    ring = np.all(drawn == RING_COLOURS[0], axis=2)
    edge = 2 * 18 + 2 * 21 - 4
    assert 0.4 * edge < ring.sum() < 0.6 * edge
    assert not ring[10:25, 13:32].any()


def test_a_png_holds_the_picture() -> None:
    drawn = np.random.default_rng(1).integers(0, 256, size=(7, 5, 3), dtype=np.uint8)
    with Image.open(BytesIO(png(drawn))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image.convert("RGB")), drawn)
