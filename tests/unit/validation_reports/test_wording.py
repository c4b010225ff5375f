"""Numbers, intervals, p values and horizons as readers see them."""

from __future__ import annotations

from validation_reports.wording import horizon_words, interval, p_words


def test_wording() -> None:
    assert interval(0.714, 0.6449, 0.781) == "0.71 (0.64–0.78)"
    assert interval(-0.08, -1.02, 0.85) == "−0.08 (−1.02 to 0.85)"
    assert [p_words(p) for p in (0.0004, 0.0123, 0.26)] == ["p < 0.001", "p = 0.012", "p = 0.26"]
    assert [horizon_words(days) for days in (365, 730, 1095, 1826, 100)] == [
        "1 year",
        "2 years",
        "3 years",
        "5 years",
        "100 days",
    ]
