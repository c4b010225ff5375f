"""A curve is where the probabilities are, and bars are as long as their parts."""

from __future__ import annotations

import re

import pytest

from validation_reports.page.patient_plots import (
    PredictedSurvival,
    part_bars,
    predicted_survival_plot,
)
from validation_reports.page.plots import HIGH_COLOUR, LOW_COLOUR


def _survival(*, high_risk: bool) -> PredictedSurvival:
    return PredictedSurvival(
        (100.0, 400.0, 2000.0), (0.9, 0.5, 0.1), (0.95, 0.8, 0.4), ((365, 0.9),), high_risk
    )


@pytest.mark.parametrize("high_risk", [True, False])
def test_points_lie_at_their_horizon_in_the_colour_of_the_group(high_risk: bool) -> None:
    svg = predicted_survival_plot(_survival(high_risk=high_risk))
    ((x, y, colour),) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="3.4" fill="(.*?)"', svg)
    assert colour == (HIGH_COLOUR if high_risk else LOW_COLOUR)
    # a year is twelve of twelve months of the axis, and nine tenths are 10 % from its top
    assert float(x) == pytest.approx(42 + 290 * (365 / (365.25 / 12)) / 12, abs=0.1)
    assert float(y) == pytest.approx(172 - 160 * 0.9, abs=0.1)


def test_what_lies_beyond_the_axis_is_not_drawn() -> None:
    svg = predicted_survival_plot(_survival(high_risk=True))
    assert f"V{172 - 160 * 0.1:.1f}" not in svg
    assert f"V{172 - 160 * 0.9:.1f}" in svg


def test_bars_go_to_the_side_of_their_sign_on_one_scale() -> None:
    raising, lowering, nothing = part_bars([0.4, -0.2, 0.0])
    assert f'x="60.0" y="1.5" width="60.0" height="7" fill="{HIGH_COLOUR}"' in raising
    assert f'x="30.0" y="1.5" width="30.0" height="7" fill="{LOW_COLOUR}"' in lowering
    assert 'width="0.0"' in nothing
    assert part_bars([]) == ()
