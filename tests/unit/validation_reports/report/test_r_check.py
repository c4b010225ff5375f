"""The generated R script in real R: it agrees with the report, and it says so when a number is
wrong.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.report.r_check import expected_csv, patients_csv, script
from validation_reports.report.validation_report import ValidationReport, build_report
from validation_reports.statistics.discrimination import Concordance


def _with_signatures(cohort: ScoredCohort, seed: int) -> ScoredCohort:
    random = np.random.default_rng(seed)
    noisy = {
        name: cohort.linear_predictor + random.normal(size=cohort.n) for name in ("gtv", "deep")
    }
    return replace(cohort, signatures=pd.DataFrame(noisy))


def _followed_until(cohort: ScoredCohort, days: float) -> ScoredCohort:
    cut = cohort.survival.days > days
    return replace(
        cohort,
        survival=Survival(np.minimum(cohort.survival.days, days), cohort.survival.event & ~cut),
    )


def _with_substages(cohort: ScoredCohort) -> ScoredCohort:
    """Stages of which IA has no death of its own, nor has IV."""
    stage = np.resize(["IB", "IIIA", "IIIB", "II"], cohort.n).astype(object)
    alive = np.flatnonzero(~cohort.survival.event)
    stage[alive[:3]], stage[alive[3:5]], stage[:3] = "IA1", "IVA", (None, "unknown", "0")
    return replace(cohort, covariates=cohort.covariates.assign(stage=stage))


def _with_a_certain_death(cohort: ScoredCohort) -> ScoredCohort:
    """A patient whose predicted survival is so small that his risk rounds to 1."""
    alive = {days: values.copy() for days, values in cohort.predicted_survival.items()}
    alive[1095][0] = 1e-17
    return replace(cohort, predicted_survival=alive)


COHORTS = [
    _with_signatures(_with_a_certain_death(made_cohort("Älpha", 90, 1)), 1),
    _with_signatures(_followed_until(made_cohort("07", 70, 2), 1095.0), 2),
    _with_signatures(_with_substages(made_cohort("Stages", 80, 5)), 4),
    _with_signatures(made_cohort("Few", 6, 3), 3),
]


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    return build_report(COHORTS, PROVENANCE, n_resamples=50)


def _run(folder: Path, report: ValidationReport, rscript: str) -> subprocess.CompletedProcess[str]:
    (folder / "patients.csv").write_text(patients_csv(COHORTS), encoding="utf-8")
    (folder / "expected.csv").write_text(expected_csv(report), encoding="utf-8")
    (folder / "recompute.R").write_text(script(), encoding="utf-8")
    return subprocess.run(
        [rscript, str(folder / "recompute.R")],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.mark.slow
@pytest.mark.peers
def test_r_confirms_the_report(
    tmp_path: Path, report: ValidationReport, peer: Callable[[str], str]
) -> None:
    found = _run(tmp_path, report, peer("Rscript"))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "arning" not in found.stderr
    n = expected_csv(report).count("\n") - 1
    assert n > 500, "the report has fewer numbers than three centres and a pool give"
    for statistic in (
        "random effects Harrell's C",
        "tau2 O/E at 730 days",
        "ICI@1095",
        "IPA@1095",
        "net benefit 0.5@730",
        "median high risk upper",
        "median follow-up",
        "HR lower",
        "observed upper@365",
        "standard error of the difference in C to gtv",
        "standard error of DeLong to deep@730",
        "mean over centres upper Calibration slope",
        "new centre lower Harrell's C",
        "new centre upper O/E on the hazard scale",
        "AUC standard error@365",
        "AUC lower@730",
        "Uno C upper@1095",
        "O/E lower@1095",
        "within C upper",
    ):
        assert f",{statistic}," in expected_csv(report)
    assert f"{n} of {n} numbers agree" in found.stdout


@pytest.mark.slow
@pytest.mark.peers
def test_r_tells_of_a_wrong_number(
    tmp_path: Path, report: ValidationReport, peer: Callable[[str], str]
) -> None:
    center = report.centers[0]
    assert isinstance(center.concordance, Concordance)
    wrong = replace(
        center, concordance=replace(center.concordance, estimate=center.concordance.estimate + 1e-8)
    )
    found = _run(tmp_path, replace(report, centers=(wrong, *report.centers[1:])), peer("Rscript"))
    assert found.returncode == 1
    assert "FALSE" in found.stdout


def test_the_patients_have_no_identity() -> None:
    text = patients_csv(COHORTS)
    lines = text.splitlines()
    cells = {cell for line in lines for cell in line.split(",")}
    assert cells.isdisjoint(key for cohort in COHORTS for key in cohort.patient_keys)
    assert len(lines) == 1 + sum(cohort.n for cohort in COHORTS)
    days = np.array([float(line.split(",")[2]) for line in lines[1:91]])
    assert (np.diff(days) >= 0).all(), "the order of the pseudonyms is not kept"
