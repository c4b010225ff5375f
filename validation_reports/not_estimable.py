"""What stands in a report where a number would have no meaning, and the normal quantile that the
intervals share.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import ndtri

MINIMUM_EVENTS = 5
"""Below this many deaths the asymptotic standard errors of this package are not shown."""


@dataclass(frozen=True)
class NotEstimable:
    """A refusal to give a number.

    Parameters
    ----------
    sentence : str
        Why there is none, and what would be needed.
    """

    sentence: str


def normal_quantile(confidence: float) -> float:
    """Return z such that the estimate -+ z standard errors is a two-sided interval of that
    confidence.

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(
            f"The confidence is {confidence}, expected a number between 0 and 1, such as 0.95."
        )
    return float(ndtri(0.5 + confidence / 2))


def too_few_events(what: str, events: int, patients: int) -> NotEstimable | None:
    """Return the refusal when there are fewer than `MINIMUM_EVENTS` deaths, else `None`."""
    if events >= MINIMUM_EVENTS:
        return None
    return NotEstimable(
        f"{what} is not estimated from {events} {'death' if events == 1 else 'deaths'} in "
        f"{patients} {'patient' if patients == 1 else 'patients'}: at least {MINIMUM_EVENTS} "
        "deaths are needed."
    )
