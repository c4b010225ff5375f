"""How often "Does it hold at every centre?" is answered wrongly, over simulated centres.

``python -m tests.benchmarks.every_center_errors`` prints one JSON line last. *no* must stand in at
most 5% where the model is right everywhere, *yes* in at most 5% where one centre lies at its margin
or beyond, and in at least 90% of five right centres of 2000 patients.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import lru_cache

import numpy as np

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from tests.benchmarks.processes import processes
from tests.support.scored_cohorts import HORIZONS, MEDIAN, PROVENANCE, made_cohort
from validation_reports.report.center_result import CenterResult
from validation_reports.report.every_center import judge_centers
from validation_reports.report.validation_report import ValidationReport, build_report, pool_centers
from validation_reports.statistics.calibration import Calibration, calibrate_at, calibration_slope
from validation_reports.statistics.discrimination import harrell_c
from validation_reports.statistics.hazard_calibration import hazard_scale_ratio
from validation_reports.statistics.margins import Verdict
from validation_reports.statistics.risk_groups import RiskGroups, hazard_ratio, log_rank

GRID = np.arange(1.0, 4001.0)
BASELINE = BaselineHazard(GRID, GRID * np.log(2) / MEDIAN, 4000.0)
MOST, LEAST = 0.05, 0.9
WORLDS = (
    ("right, 3 centres of 60", 60, (1.0, 1.0, 1.0), 400),
    ("right, 5 centres of 250", 250, (1.0,) * 5, 200),
    ("right, 5 centres of 2000", 2000, (1.0,) * 5, 60),
    ("at the margin, 1 of 5 centres of 1000", 1000, (1.0,) * 4 + (1.25,), 120),
    ("2.0, 1.0 and 0.6, 3 centres of 100", 100, (2.0, 1.0, 0.6), 100),
)
"""Name, patients of a centre, true over predicted hazard of each, and how often it is simulated."""


def _center(template: CenterResult, n: int, excess: float, seed: list[int]) -> CenterResult:
    """Return what is judged of n patients whose hazard is `excess` times the predicted one."""
    random = np.random.default_rng(seed)
    score = random.normal(scale=0.8, size=n)
    death = random.exponential(MEDIAN / np.log(2) / excess * np.exp(-score))
    contact = random.uniform(700, 2400, size=n)
    survival = Survival(np.minimum(death, contact) + 0.01, death <= contact)
    horizons = tuple(
        (days, calibrate_at(survival, BASELINE.survival(float(days), score), days, plotted=False))
        for days in HORIZONS
    )
    return replace(
        template,
        center=f"centre {seed[-1]}",
        n=n,
        n_events=survival.n_events,
        concordance=harrell_c(survival, score),
        risk_groups=RiskGroups(
            hazard_ratio(survival, score > 0), log_rank(survival, score > 0), ()
        ),
        calibration=Calibration(
            calibration_slope(survival, score),
            horizons,
            hazard_scale_ratio(survival, score, BASELINE),
            float(score.std()),
        ),
    )


@lru_cache
def _template() -> ValidationReport:
    return build_report([made_cohort("A", 60, 1)], PROVENANCE, n_resamples=10)


def verdict(world: int, turn: int) -> Verdict:
    """Return what is said of the centres of a world when they are simulated for the nth time."""
    _, n, excess, _ = WORLDS[world]
    report = _template()
    centers = tuple(
        _center(report.centers[0], n, ratio, [world, turn, place])
        for place, ratio in enumerate(excess)
    )
    across = pool_centers(centers, HORIZONS)
    return judge_centers(replace(report, centers=centers, across_centers=across)).verdict


def main() -> int:
    """Print the shares of *yes* and *no*; return 1 where one is beyond its limit."""
    shares: dict[str, dict[str, float]] = {}
    with processes() as over:
        for world, (name, _, _, times) in enumerate(WORLDS):
            found = list(over(verdict, [world] * times, range(times)))
            shares[name] = {str(one): found.count(one) / times for one in (Verdict.YES, Verdict.NO)}
            print(f"{name}: {shares[name]} of {times}", flush=True)
    right = [value for name, value in shares.items() if name.startswith("right")]
    wrong = [value for name, value in shares.items() if not name.startswith("right")]
    holds = (
        all(value["no"] <= MOST for value in right)
        and all(value["yes"] <= MOST for value in wrong)
        and shares["right, 5 centres of 2000"]["yes"] >= LEAST
    )
    print(json.dumps({"shares": shares, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
