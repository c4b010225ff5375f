"""Figures within centres against R's with strata: on the real Lung1 patients, whose histologies
stand for centres, and on made ones with ties of time by rounding and of score.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.statistics.calibration import CalibrationSlope
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.risk_groups import HazardRatio, LogRank
from validation_reports.statistics.within_centers import within_centers

pytestmark = pytest.mark.peers
SCRIPT = Path(__file__).with_name("strata.R")


def _agrees(table: pd.DataFrame, folder: Path, rscript: str) -> None:
    table.to_csv(folder / "patients.csv", index=False, float_format="%.17g")
    done = subprocess.run(
        [rscript, str(SCRIPT), str(folder / "patients.csv")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    r = [float(line) for line in done.stdout.split()]
    survival = Survival(table.days.to_numpy(), table.event.to_numpy())
    found = within_centers(survival, table.lp, table.high == 1, {}, table.center.astype(str))
    c, slope = found.concordance, found.calibration.slope
    ratio, test = found.risk_groups.hazard_ratio, found.risk_groups.log_rank
    assert isinstance(c, Concordance)
    assert isinstance(slope, CalibrationSlope)
    assert isinstance(ratio, HazardRatio)
    assert isinstance(test, LogRank)
    assert [c.estimate, c.standard_error] == pytest.approx(r[:2], abs=1e-10)
    assert [slope.estimate, slope.standard_error] == pytest.approx(r[2:4], abs=1e-8)
    assert [ratio.log_estimate, ratio.standard_error] == pytest.approx(r[4:6], abs=1e-8)
    assert test.chi_square == pytest.approx(r[6], rel=1e-10)


@pytest.mark.real_data
def test_of_the_real_patients(oracle: Path, tmp_path: Path, peer: Callable[[str], str]) -> None:
    table = pd.read_csv(oracle / "scores.csv").merge(
        pd.read_csv(oracle / "split.csv").drop(columns="set"), on="id"
    )
    table = table[(table.set == "test") & table.centre.notna()]
    named = table.rename(columns={"time": "days", "centre": "center"})
    assert named.center.nunique() > 2
    _agrees(named[["days", "event", "lp", "high", "center"]], tmp_path, peer("Rscript"))


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_of_made_patients(tied: bool, tmp_path: Path, peer: Callable[[str], str]) -> None:
    parts = []
    for name, n in (("A", 120), ("B", 75), ("C", 9)):
        cohort = made_cohort(name, n, n)
        days, score = cohort.survival.days, cohort.linear_predictor
        if tied:
            days = np.ceil(days / 60) / 10 * (1 + 1e-12 * (np.arange(n) % 3))
            score = np.round(score, 1)
        parts.append(
            pd.DataFrame(
                {
                    "days": days,
                    "event": cohort.survival.event.astype(int),
                    "lp": score,
                    "high": cohort.high_risk.astype(int),
                    "center": name,
                }
            )
        )
    _agrees(pd.concat(parts, ignore_index=True), tmp_path, peer("Rscript"))
