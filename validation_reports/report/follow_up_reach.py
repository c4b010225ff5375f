"""Whether the follow-up reaches the first horizon; where it does not, no verdict is given."""

from __future__ import annotations

from collections.abc import Iterable

from validation_reports.report.center_result import CenterResult
from validation_reports.wording import count


def too_short_follow_up(results: Iterable[CenterResult]) -> str | None:
    """Say at which centres the longest follow-up lies below the first horizon, which no verdict may
    rest on: the times may not even be days.

    Parameters
    ----------
    results : iterable of CenterResult
        What a verdict would rest on.

    Returns
    -------
    str or None
        The sentence; `None` where every follow-up reaches the first horizon.
    """
    parts = []
    for result in results:
        first = min((days for days, _ in result.calibration.horizons), default=0)
        longest = max((group.curve.last_day for group in result.risk_groups.groups), default=0.0)
        if longest < first:
            parts.append(
                f"the longest follow-up of {count(result.n, 'patient')} at {result.center} is "
                f"{longest:g} days, below the first horizon of {first} days"
            )
    if not parts:
        return None
    return (
        f"No verdict is given: {'; '.join(parts)}. Check that the survival times are days, or "
        "validate again when patients were followed for longer."
    )
