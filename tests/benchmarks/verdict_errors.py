"""How often a verdict is wrong: over simulated cohorts whose predicted risks are right, and over
cohorts in which one quantity lies at its margin or beyond; and how often a score of no meaning is
called of use.

``python -m tests.benchmarks.verdict_errors`` prints one JSON line last. *no* must stand in at most
5% where all is right, *yes* in at most 5% where anything lies at or beyond its margin, and in at
least 90% of 3000 patients with 1500 deaths or more where all is right.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from tests.benchmarks.processes import Over, processes
from validation_reports.statistics.calibration import Calibration, calibrate_at, calibration_slope
from validation_reports.statistics.calibration_verdict import judge_calibration
from validation_reports.statistics.hazard_calibration import hazard_scale_ratio
from validation_reports.statistics.margins import Margins, Verdict
from validation_reports.statistics.net_benefit import DecisionCurve, decision_curve

HORIZONS = (365, 730, 1095)
THRESHOLDS = (0.2, 0.3, 0.5, 0.7)
GRID = np.arange(1.0, 4001.0)
MARGINS = Margins()
MOST, LEAST = 0.05, 0.9


@dataclass(frozen=True)
class World:
    """How patients die and are lost.

    Parameters
    ----------
    name : str
        For the answer.
    shape, median : float
        Of Weibull survival of a patient whose score is 0.
    contact : tuple of float
        Days between which last contacts are uniform.
    loss : float
        Mean of exponential loss to follow-up before; infinite for none.
    spread : float
        Standard deviation of the score.
    """

    name: str
    shape: float
    median: float
    contact: tuple[float, float]
    loss: float = np.inf
    spread: float = 0.8

    @property
    def scale(self) -> float:
        """Day at which the cumulative hazard of a score of 0 is 1."""
        return float(self.median / np.log(2) ** (1 / self.shape))


WORLDS = (
    World("constant hazard", 1.0, 550, (500, 3500)),
    World("falling hazard, short follow-up", 0.7, 550, (100, 1500)),
    World("rising hazard, all followed long", 1.6, 800, (900, 2400)),
    World("constant hazard, many lost", 1.0, 800, (1500, 3500), loss=1500.0),
    World("few deaths", 1.2, 2500, (900, 2400)),
)
MANY = (
    World("constant hazard, narrow score", 1.0, 550, (500, 3500), spread=0.5),
    World("falling hazard, narrow score", 0.7, 550, (100, 2500), spread=0.5),
    World("rising hazard, narrow score", 1.6, 800, (900, 2400), spread=0.5),
    World("many lost, narrow score", 1.0, 900, (2500, 3500), loss=2500.0, spread=0.5),
)


@dataclass(frozen=True)
class Fault:
    """What the model gets wrong: its hazard by a factor, its effects by another, its shape."""

    name: str
    factor: float = 1.0
    effect: float = 1.0
    shape: float | None = None
    through: float = 1000.0
    """Day at which a hazard of another shape is right."""


RIGHT = Fault("right")
FAULTS = (
    (WORLDS[:3], Fault("O/E on the hazard scale 0.8", factor=1 / 0.8)),
    (WORLDS[:3], Fault("O/E on the hazard scale 1.25", factor=1 / 1.25)),
    (WORLDS[:3], Fault("O/E on the hazard scale 0.7", factor=1 / 0.7)),
    (WORLDS[:3], Fault("slope 0.8", effect=1 / 0.8)),
    (WORLDS[:3], Fault("slope 1.25", effect=1 / 1.25)),
    (WORLDS[:1], Fault("O/E at 1 year 1.26, else right", shape=1.38, through=900.0)),
    (WORLDS[2:3], Fault("O/E at 1 year 0.79, else right", shape=1.25, through=900.0)),
)
"""What lies at its margin or beyond, and in which worlds it does."""


def verdict(world: World, fault: Fault, n: int, seed: int) -> tuple[Verdict, int]:
    """Return the verdict on one simulated cohort, and its deaths."""
    random = np.random.default_rng([seed, n, int(1000 * world.shape), int(world.median)])
    score = random.normal(scale=world.spread, size=n)
    hazard = random.standard_exponential(n) / np.exp(score)
    death = world.scale * hazard ** (1 / world.shape)
    contact = random.uniform(*world.contact, size=n)
    if np.isfinite(world.loss):
        contact = np.minimum(contact, random.exponential(world.loss, n))
    survival = Survival(np.minimum(death, contact) + 1e-3, death <= contact)
    shape = fault.shape or world.shape
    at_through = (fault.through / world.scale) ** world.shape
    cumulative = fault.factor * (
        (GRID / world.scale) ** world.shape
        if fault.shape is None
        else at_through * (GRID / fault.through) ** shape
    )
    baseline, predictor = BaselineHazard(GRID, cumulative, GRID[-1]), fault.effect * score
    calibration = Calibration(
        calibration_slope(survival, predictor),
        tuple(
            (days, calibrate_at(survival, baseline.survival(days, predictor), days, plotted=False))
            for days in HORIZONS
        ),
        hazard_scale_ratio(survival, predictor, baseline),
        float(predictor.std()),
    )
    found = judge_calibration(calibration, survival.n_events, MARGINS)
    return found.verdict, survival.n_events


def shares(
    worlds: Sequence[World],
    fault: Fault,
    sizes: Sequence[int],
    cohorts: int,
    asked: Verdict,
    over: Over = map,
) -> dict[str, float]:
    """Return how often a verdict stands, by world and size.

    Parameters
    ----------
    worlds : sequence of World
        How patients die.
    fault : Fault
        What the model gets wrong.
    sizes : sequence of int
        Patients in a cohort.
    cohorts : int
        To simulate in each; of 1000 patients and more, a quarter of them.
    asked : Verdict
        Which verdict is counted.
    over : callable
        What runs the settings, one after the other by default.
    """
    jobs = [
        (world, fault, n, cohorts if n < 1000 else max(cohorts // 4, 1), asked)
        for world in worlds
        for n in sizes
    ]
    found = over(_share, *zip(*jobs, strict=True))
    return {f"{job[0].name}, n {job[2]}": one for job, one in zip(jobs, found, strict=True)}


def _share(world: World, fault: Fault, n: int, times: int, asked: Verdict) -> float:
    given = [verdict(world, fault, n, seed)[0] for seed in range(times)]
    return round(given.count(asked) / times, 4)


def called_of_use(sizes: Sequence[int], cohorts: int, over: Over = map) -> dict[str, float]:
    """Return how often a score of no meaning is called of use at any named threshold and horizon.

    Parameters
    ----------
    sizes : sequence of int
        Patients in a cohort.
    cohorts : int
        To simulate in each.
    over : callable
        As of `shares`.
    """
    found = over(_share_of_use, sizes, [cohorts] * len(sizes))
    return {f"n {n}": share for n, share in zip(sizes, found, strict=True)}


def _share_of_use(n: int, cohorts: int) -> float:
    times = 0
    for seed in range(cohorts):
        random = np.random.default_rng([seed, n, 7])
        score, stage = random.normal(scale=0.8, size=n), random.random(n) < 0.6
        death, contact = random.exponential(800, n), random.uniform(400, 3000, n)
        survival = Survival(np.minimum(death, contact) + 0.01, death <= contact)
        curves = [
            decision_curve(
                survival,
                1 - np.exp(-np.exp(score) * days / 800),
                days,
                stage,
                thresholds=(),
                named=THRESHOLDS,
                horizons=len(HORIZONS),
            )
            for days in HORIZONS
        ]
        times += any(isinstance(curve, DecisionCurve) and curve.useful for curve in curves)
    return round(times / cohorts, 4)


def simulate(cohorts: int, over: Over = map) -> dict[str, object]:
    """Return the shares of wrong verdicts, and of right ones where there are deaths enough.

    Parameters
    ----------
    cohorts : int
        To simulate in each setting; half as many where a quantity is wrong.
    """
    wrong_no = shares(WORLDS, RIGHT, (24, 60, 150, 400, 1000, 3000), cohorts, Verdict.NO, over)
    wrong_yes = {
        fault.name: shares(
            worlds, fault, (24, 150, 400, 1000, 3000), cohorts // 2, Verdict.YES, over
        )
        for worlds, fault in FAULTS
    }
    right_yes = shares(MANY, RIGHT, (3000,), cohorts, Verdict.YES, over)
    deaths = {
        world.name: min(verdict(world, RIGHT, 3000, seed)[1] for seed in range(3)) for world in MANY
    }
    return {
        "cohorts": cohorts,
        "no_where_right": wrong_no,
        "yes_at_or_beyond_margin": wrong_yes,
        "yes_where_right_n3000": right_yes,
        "deaths_n3000": deaths,
        "noise_of_use": called_of_use((24, 60, 150, 400), cohorts, over),
    }


def holds(found: dict[str, object], most: float = MOST, least: float = LEAST) -> bool:
    """Whether the shares are within what is promised."""
    few = [found["no_where_right"], found["noise_of_use"]]
    few += list(dict(found["yes_at_or_beyond_margin"]).values())  # type: ignore[call-overload]
    return all(share <= most for part in few for share in dict(part).values()) and all(  # type: ignore[call-overload]
        share >= least
        for share in dict(found["yes_where_right_n3000"]).values()  # type: ignore[call-overload]
    )


def main(cohorts: int = 1000) -> int:
    """Simulate and print one JSON line last; return 1 where a share is not as promised."""
    with processes() as over:
        found = simulate(cohorts, over)
    print(json.dumps(found))
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(value) for value in sys.argv[1:2])))
