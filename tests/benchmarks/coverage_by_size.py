"""How often the intervals of C and AUC hold the truth in cohorts of 12 to 250 patients.

Every setting has its own spread of the score and its own censoring; cohorts whose C or AUC is
refused, for too few deaths or too few who were followed beyond the horizon, are counted apart. The
truth of C is that of many patients censored in the same way, as C depends on it; that of the AUC is
of many whom nobody lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.survival.survival_data import Survival
from tests.benchmarks.processes import Over
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.discrimination import harrell_c
from validation_reports.statistics.resamples import resample
from validation_reports.statistics.time_dependent_auc import time_dependent_auc

Array = NDArray[np.float64]
SIZES = (12, 24, 32, 68, 250)
COHORTS = 2000
MANY = 40_000
DAYS = 730
SCALE = 800.0


@dataclass(frozen=True)
class Setting:
    """Spread of the score, and between which days the last contacts lie."""

    name: str
    spread: float
    contact: tuple[float, float]


SETTINGS = (
    Setting("C 0.69, long follow-up", 0.8, (500, 3500)),
    Setting("C 0.70, short follow-up", 0.8, (300, 1500)),
    Setting("C 0.79, long follow-up", 1.5, (500, 3500)),
)


def made(setting: Setting, n: int, seed: list[int]) -> tuple[Survival, Array]:
    """Return patients with exponential survival whose log hazard is their score."""
    random = np.random.default_rng(seed)
    score = random.normal(scale=setting.spread, size=n)
    death = random.exponential(SCALE * np.exp(-score))
    last_contact = random.uniform(*setting.contact, size=n)
    return Survival(np.minimum(death, last_contact) + 0.01, death <= last_contact), score


def _truth(setting: Setting) -> tuple[float, float]:
    values = []
    for seed in range(4):
        survival, score = made(setting, MANY, [seed, 10**6])
        everybody = np.arange(MANY)[None, :]
        c = float(resample(survival, score, {}, rows=everybody).concordance[0])
        seen = made(Setting("", setting.spread, (1e6, 1e6 + 1)), MANY, [seed, 10**6])
        predicted = np.exp(-np.exp(seen[1]) * DAYS / SCALE)
        auc = resample(*seen, {DAYS: predicted}, rows=everybody).auc[0, 0]
        values.append((c, float(auc)))
    return tuple(np.mean(values, axis=0).tolist())


def coverage_by_size(cohorts: int = COHORTS, over: Over = map) -> dict[str, dict[str, list[float]]]:
    """Return, by statistic, setting and size, the share of intervals that hold the truth and the
    share of cohorts that were refused.

    Parameters
    ----------
    cohorts : int
        To simulate in each setting and size.
    over : callable
        What runs the settings, one after the other by default.
    """
    found: dict[str, dict[str, list[float]]] = {"C": {}, "AUC": {}}
    truths = list(over(_truth, SETTINGS))
    jobs = [(number, n, truth, cohorts) for number, truth in enumerate(truths) for n in SIZES[::-1]]
    for (number, n, *_), rows in zip(jobs, over(_one, *zip(*jobs, strict=True)), strict=True):
        for name, row in rows.items():
            found[name][f"{SETTINGS[number].name}, n {n}"] = row
    return found


def _one(number: int, n: int, truths: tuple[float, float], cohorts: int) -> dict[str, list[float]]:
    """Return, by statistic, the share that holds the truth and the share that is refused."""
    truth = dict(zip(("C", "AUC"), truths, strict=True))
    held, refused = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for seed in range(cohorts):
        survival, score = made(SETTINGS[number], n, [seed, n, number])
        for name, value in (
            ("C", harrell_c(survival, score)),
            ("AUC", time_dependent_auc(survival, score, DAYS)),
        ):
            if isinstance(value, NotEstimable):
                refused[name] += 1
            else:
                held[name] += bool(value.lower <= truth[name] <= value.upper)
    return {
        name: [
            round(held[name] / max(cohorts - refused[name], 1), 4),
            round(refused[name] / cohorts, 4),
        ]
        for name in truth
    }


def holds(found: dict[str, dict[str, list[float]]]) -> bool:
    """Whether every share is 93 to 97.5%, and at least 93% of 12 patients."""
    return all(
        0.93 <= share <= (1.0 if name.endswith("n 12") else 0.975)
        for by_size in found.values()
        for name, (share, refused) in by_size.items()
        if refused < 0.95
    )
