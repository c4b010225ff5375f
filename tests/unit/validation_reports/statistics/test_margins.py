"""A verdict by margins says what the intervals show, and how many deaths it would take."""

from __future__ import annotations

import math

import numpy as np
import pytest

from validation_reports.statistics.margins import (
    Judged,
    Margins,
    Verdict,
    contradicted,
    deaths_needed,
    holm,
    verdict_by_margins,
)

MARGINS = Margins()


def _judged(estimate: float, error: float, p_value: float | None = None) -> Judged:
    z = (estimate - 1) / error
    p = math.erfc(abs(z) / math.sqrt(2)) if p_value is None else p_value
    return Judged("slope", estimate, estimate - 1.96 * error, estimate + 1.96 * error, p, 100)


@pytest.mark.parametrize("ends", [(1.0, 1.25), (0.8, 1.0), (0.0, 1.25), (1.25, 0.8), (0.8, np.inf)])
def test_margins_that_do_not_hold_1_are_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="expected one above 0 and below 1"):
        Margins(*ends)


def test_holm_is_that_of_r() -> None:
    """As `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")` gives it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_yes_needs_every_interval_inside() -> None:
    narrow, wide = _judged(1.0, 0.05), _judged(1.0, 0.2)
    assert verdict_by_margins([narrow, narrow], MARGINS, complete=True) is Verdict.YES
    assert verdict_by_margins([narrow, wide], MARGINS, complete=True) is Verdict.UNKNOWN
    assert verdict_by_margins([narrow], MARGINS, complete=False) is Verdict.UNKNOWN
    assert verdict_by_margins([], MARGINS, complete=True) is Verdict.UNKNOWN


def test_no_needs_an_estimate_outside_that_chance_does_not_explain() -> None:
    assert verdict_by_margins([_judged(0.7, 0.1)], MARGINS, complete=True) is Verdict.NO
    assert verdict_by_margins([_judged(0.7, 0.2)], MARGINS, complete=True) is Verdict.UNKNOWN
    # surely not 1, but within the margins
    assert verdict_by_margins([_judged(1.1, 0.01)], MARGINS, complete=True) is Verdict.YES
    once = _judged(0.75, 0.11)  # p = 0.02, alone and among five
    assert contradicted([once], MARGINS) == (once,)
    assert contradicted([once, *[_judged(1.0, 0.2)] * 4], MARGINS) == ()


@pytest.mark.parametrize("log_scale", [True, False])
def test_with_the_deaths_that_are_needed_nine_of_ten_intervals_lie_inside(log_scale: bool) -> None:
    needed = deaths_needed(100, 0.15, MARGINS, log_scale=log_scale)
    error = 0.15 * math.sqrt(100 / needed)
    drawn = np.random.default_rng(1).normal(0, error, 20_000)
    lower, upper = drawn - 1.96 * error, drawn + 1.96 * error
    if log_scale:
        inside = (lower > math.log(0.8)) & (upper < math.log(1.25))
    else:
        inside = (lower > -0.2) & (upper < 0.25)
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
