"""The pictures show the CT with the patient's left at the right, and the edges of what was
measured.
"""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from feature_store.imaging.boxed_mask import BoxedMask
from tests.support.ct_volumes import ct_of
from validation_reports.page.region_pictures import (
    CONTOUR_COLOUR,
    RING_COLOUR,
    CtPlanes,
    axial_png,
    png,
    region_pictures,
)


def _image(svg: str) -> np.ndarray:
    (data,) = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def _box(svg: str, colour: str) -> tuple[float, float, float, float]:
    (path,) = re.findall(rf'<path d="([^"]*)" stroke="{colour}"', svg)
    at = [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)", path)]
    return (
        min(x for x, _ in at),
        max(x for x, _ in at),
        min(y for _, y in at),
        max(y for _, y in at),
    )


@pytest.mark.parametrize("axes", [np.eye(3), np.diag([-1.0, -1.0, 1.0]), np.diag([-1.0, 1, -1])])
def test_planes_lie_as_a_radiologist_reads_them(axes: np.ndarray) -> None:
    hu = np.full((30, 80, 80), -1000.0)
    contour = np.zeros(hu.shape, np.bool_)
    contour[10:20, 30:50, 30:50] = True
    ring = np.zeros(hu.shape, np.bool_)
    ring[8:22, 26:54, 26:54] = True
    hu[contour] = 40.0
    # dense towards the patient's left, back and head, wherever the CT stores them
    signs = np.diag(axes)
    left, back, head = (slice(51, 56) if sign > 0 else slice(24, 29) for sign in signs)
    hu[:, :, left] = hu[:, back, :] = 240.0
    hu[slice(21, 23) if signs[2] > 0 else slice(7, 9)] = 240.0
    del head
    volume = ct_of(hu, (1.5, 1.5, 3.0), axes)
    planes = CtPlanes.through(volume, BoxedMask.of(contour))
    axial, coronal, sagittal = region_pictures(planes, contour, [ring])
    assert axial.title.startswith("Axial, slice ")
    middle = 150
    for picture in (axial, coronal, sagittal):
        image = _image(picture.svg)
        assert image.shape == (300, 300)
        assert image[middle, middle] == 128
        inner, outer = _box(picture.svg, CONTOUR_COLOUR), _box(picture.svg, RING_COLOUR)
        assert outer[0] < inner[0] < inner[1] < outer[1]
        assert outer[2] < inner[2] < inner[3] < outer[3]
    assert _side(_image(axial.svg), axis=1) > 0
    assert _side(_image(axial.svg), axis=0) > 0
    assert _side(_image(coronal.svg), axis=1) > 0
    assert _side(_image(coronal.svg), axis=0) < 0
    assert _side(_image(sagittal.svg), axis=1) > 0
    assert _side(_image(sagittal.svg), axis=0) < 0


def _side(image: np.ndarray, axis: int) -> float:
    """Say towards which end of an axis the brightest values lie."""
    return float(np.argwhere(image == 255)[:, axis].mean() - 149.5)


def test_a_png_is_read_back() -> None:
    grey = np.arange(200, dtype=np.uint8).reshape(10, 20)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(grey)))), grey)


def test_the_small_picture_shows_both_edges_in_their_colours() -> None:
    hu = np.full((30, 80, 80), -1000.0)
    contour = np.zeros(hu.shape, np.bool_)
    contour[10:20, 30:50, 30:50] = True
    ring = np.zeros(hu.shape, np.bool_)
    ring[8:22, 26:54, 26:54] = True
    hu[contour] = 40.0
    volume = ct_of(hu, (1.5, 1.5, 3.0), np.eye(3))
    picture = axial_png(CtPlanes.through(volume, BoxedMask.of(contour)), contour, [ring])
    image = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    assert image.shape == (240, 240, 3)
    found = {
        name: np.argwhere((image == [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).all(-1))
        for name, colour in (("contour", CONTOUR_COLOUR), ("ring", RING_COLOUR))
    }
    pixels_a_mm = 240 / 130
    for name, edge_mm in (("contour", 30), ("ring", 42)):
        spread = np.ptp(found[name], axis=0) + 1
        np.testing.assert_allclose(spread, edge_mm * pixels_a_mm, atol=2)
    assert abs(int(image[120, 120, 0]) - 128) < 9  # 40 HU, the middle of the window
    assert len(picture) < 3000
