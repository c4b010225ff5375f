"""The short form of ``python -m tests.torture.geometry``: what comes of random contours is right,
or is said.
"""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.contour_drawings import Drawing, Polygon, drawings, scribbles
from tests.torture.geometry import check_drawing, check_scribble

short = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@short
@given(drawings(), st.randoms(use_true_random=False))
def test_drawings_give_the_mask_that_they_were_made_for(drawing: Drawing, random: Random) -> None:
    check_drawing(drawing, random)


@short
@given(scribbles())
@example(
    [np.array([(0.0, 0.0), (2.0, 2.0), (2.5, 0.0), (0.0, 4.0), (8.5, 0.0)])]
)  # loses one pixel
def test_scribbles_give_a_mask_on_which_all_readings_agree_or_say_why(
    polygons: list[Polygon],
) -> None:
    check_scribble(polygons)
