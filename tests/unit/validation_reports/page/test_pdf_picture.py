"""A PDF becomes a picture of its sheets, below each other."""

from __future__ import annotations

import numpy as np
import pytest

from validation_reports.page.pdf import pdf_of
from validation_reports.page.pdf_picture import picture_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_sheets_are_drawn_in_colour_below_each_other() -> None:
    sheet = "<div style='background:#ff0000;height:40mm'></div>"
    two = f"<style>@page{{size:100mm 50mm;margin:5mm}}</style>{sheet}<p style='break-before:page'>b"
    pdf = pdf_of(two)
    picture = picture_of(pdf, 72)
    height, width = 142, 284  # 50 and 100 mm at 72 dots per inch, rounded up
    assert picture.shape == (2 * height, width, 3)
    assert picture[height // 2, width // 2].tolist() == [255, 0, 0]
    assert picture[1, 1].tolist() == [255, 255, 255]
    assert (picture[height:] < 128).any()
    np.testing.assert_array_equal(picture, picture_of(pdf, 72))
