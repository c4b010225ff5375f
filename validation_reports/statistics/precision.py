"""How sure can we be: interval widths that this many patients and deaths allow, and the patients
that more would need.

References
----------
.. [1] Riley RD, Collins GS, Ensor J, et al. Stat Med 2022;41:1280-1295 (sample size for
    external validation).
.. [2] Schoenfeld DA. Biometrics 1983;39:499-503 (variance of a log hazard ratio).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events

PRECISION_METHOD = (
    "O/E (Riley) and HR (Schoenfeld) from n, deaths and groups alone; C and slope from their "
    "standard errors here; variances fall with 1 / n, patients needed at the same share of deaths"
)
TARGETS = {"C": 0.10, "slope": 0.40, "O/E": 0.40, "HR": 4.0}
"""Width of the interval that is asked for; for the hazard ratio upper over lower limit."""


@dataclass(frozen=True)
class ExpectedWidth:
    """What one statistic's interval will be like.

    Parameters
    ----------
    statistic : str
        ``C``, ``slope``, ``O/E`` or ``HR``.
    expected : float
        Width expected here; for ``HR`` upper over lower limit.
    target : float
        What is asked for.
    patients, deaths : int
        How many would give the target.
    """

    statistic: str
    expected: float
    target: float
    patients: int
    deaths: int


@dataclass(frozen=True)
class Precision:
    """Expected widths and the patients needed for the targets."""

    widths: tuple[ExpectedWidth, ...]
    method: str = PRECISION_METHOD


def expected_precision(
    n: int,
    n_events: int,
    share_high: float,
    standard_errors: Mapping[str, float],
    confidence: float = 0.95,
) -> Precision | NotEstimable:
    """Say how wide intervals are for n patients, and how many patients the targets need.

    Parameters
    ----------
    n, n_events : int
        Patients and deaths.
    share_high : float
        Share of patients at high risk; at 0 or 1 the hazard ratio is left out.
    standard_errors : mapping of str to float
        Those of ``C`` and ``slope`` in these patients, as far as known.
    confidence : float
        Of the intervals.
    """
    if refusal := too_few_events("The precision", n_events, n):
        return refusal
    z, share = normal_quantile(confidence), n_events / n

    def scaled(error: float) -> Callable[[float], float]:
        return lambda size: 2 * z * error * math.sqrt(n / size)

    def ratio(size: float) -> float:
        return 2 * math.sinh(z * math.sqrt((1 - share) / (size * share)))

    def hazard(size: float) -> float:
        return math.exp(2 * z / math.sqrt(size * share * share_high * (1 - share_high)))

    functions = {name: scaled(error) for name, error in standard_errors.items()}
    if share < 1:
        functions["O/E"] = ratio
    if 0 < share_high < 1:
        functions["HR"] = hazard
    return Precision(
        tuple(_width(name, functions[name], n, share) for name in TARGETS if name in functions)
    )


def _width(statistic: str, width: Callable[[float], float], n: int, share: float) -> ExpectedWidth:
    target, low, high = TARGETS[statistic], 2.0, 1e9
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if width(middle) <= target else (middle, high)
    needed = math.ceil(high)
    return ExpectedWidth(statistic, float(width(n)), target, needed, math.ceil(needed * share))
