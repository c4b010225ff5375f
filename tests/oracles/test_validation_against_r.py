"""Every statistic of a report against R on the real Lung1 patients (tolerances beside the
values).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
    RiskEstimate,
    calibrate,
)
from validation_reports.statistics.cohort_table import (
    DifferenceTest,
    compare_counts,
    compare_numbers,
)
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.kaplan_meier import (
    MedianTime,
    SurvivalAt,
    kaplan_meier,
    median_follow_up,
    median_time,
    survival_at,
)
from validation_reports.statistics.risk_groups import (
    HazardRatio,
    LogRank,
    compare_risk_groups,
    log_rank,
)
from validation_reports.statistics.smooth_calibration import SmoothCalibration, smooth_calibration
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc

pytestmark = pytest.mark.real_data
SETS = ("train", "test")


@pytest.fixture(scope="module")
def r(oracle: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((oracle / "oracle.json").read_text())
    return answers


@pytest.fixture(scope="module")
def patients(oracle: Path) -> pd.DataFrame:
    clinical = pd.read_csv(oracle / "split.csv").drop(columns="set")
    return pd.read_csv(oracle / "scores.csv").merge(clinical, on="id").sort_values("id")


@pytest.fixture(scope="module")
def lung1_203(real_data: Path) -> pd.DataFrame:
    table = pd.read_csv(real_data / "lung1" / "clinical.csv")
    eligible = (
        table.Histology.isin(["adenocarcinoma", "squamous cell carcinoma"])
        & table["Overall.Stage"].notna()
    )
    return table[eligible]


def _survival(table: pd.DataFrame) -> Survival:
    return Survival(table["time"].to_numpy(), table["event"].to_numpy())


@pytest.mark.parametrize("which", SETS)
def test_concordance(which: str, patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table = patients[patients.set == which]
    c, expected = harrell_c(_survival(table), table.lp), r[which]["C"]
    assert isinstance(c, Concordance)
    assert [c.estimate, c.standard_error, c.lower, c.upper] == pytest.approx(
        [expected["C"], expected["se"], expected["lo"], expected["hi"]], abs=1e-10
    )
    counts = expected["counts"]
    assert [c.concordant, c.discordant, c.tied_score, c.tied_time] == [
        counts["concordant"],
        counts["discordant"],
        counts["tied.x"],
        counts["tied.y"],
    ]


def test_concordance_and_hazard_ratio_in_subgroups(
    patients: pd.DataFrame, r: dict[str, Any]
) -> None:
    test = patients[patients.set == "test"]
    for row in r["test"]["sub"]:
        table = test[test[row["var"]] == row["level"]]
        assert len(table) == row["n"]
        c = harrell_c(_survival(table), table.lp)
        assert isinstance(c, Concordance)
        assert [c.estimate, c.standard_error] == pytest.approx([row["C"], row["C_se"]], abs=1e-10)
        groups = compare_risk_groups(_survival(table), table.high == 1)
        assert isinstance(groups.hazard_ratio, HazardRatio)
        assert isinstance(groups.log_rank, LogRank)
        hr = groups.hazard_ratio
        assert [hr.estimate, hr.lower, hr.upper] == pytest.approx(
            [row["HR"], row["lo"], row["hi"]], rel=1e-6
        )
        assert groups.log_rank.p_value == pytest.approx(row["logrank_p"], abs=1e-10)
        for group, median in zip(groups.groups, (row["med_low"], row["med_high"]), strict=True):
            assert isinstance(group.median, MedianTime)
            assert group.median.days == median


@pytest.mark.parametrize("which", SETS)
def test_hazard_ratio_log_rank_and_medians(
    which: str, patients: pd.DataFrame, r: dict[str, Any]
) -> None:
    table = patients[patients.set == which]
    groups = compare_risk_groups(_survival(table), table.high == 1)
    hr, expected = groups.hazard_ratio, r[which]["HR"]
    assert isinstance(hr, HazardRatio)
    assert [hr.estimate, hr.lower, hr.upper, hr.log_estimate, hr.standard_error] == pytest.approx(
        [expected[key] for key in ("HR", "lo", "hi", "coef", "se")], abs=1e-6
    )
    assert isinstance(groups.log_rank, LogRank)
    assert [groups.log_rank.chi_square, groups.log_rank.p_value] == pytest.approx(
        [r[which]["logrank"][0], r[which]["logrank"][2]], abs=1e-10
    )
    for group, stratum in zip(groups.groups, r[which]["km"]["log-log"], strict=True):
        assert [group.n, group.n_events] == [stratum["n"], stratum["events"]]
        assert group.median == MedianTime(stratum["median"], stratum["lo"], stratum["hi"])


def test_kaplan_meier_of_the_203(lung1_203: pd.DataFrame, r: dict[str, Any]) -> None:
    survival = Survival(
        lung1_203["Survival.time"].to_numpy(), lung1_203["deadstatus.event"].to_numpy()
    )
    facts = r["facts"]
    assert [survival.n, survival.n_events] == [facts["n"], facts["events"]]
    curve = kaplan_meier(survival)
    for expected in facts["S_t"]:
        found = survival_at(curve, expected["t"])
        assert isinstance(found, SurvivalAt)
        assert [found.survival, found.standard_error] == pytest.approx(
            [expected["S"], expected["se"]], abs=1e-10
        )
        assert found.at_risk == expected["nrisk"]
    (all_patients,) = facts["km_all"]["log-log"]
    assert median_time(curve) == MedianTime(
        all_patients["median"], all_patients["lo"], all_patients["hi"]
    )
    follow_up = median_follow_up(survival)
    assert isinstance(follow_up, MedianTime)
    assert follow_up.days == facts["median_fu_revKM"]


@pytest.mark.parametrize(
    ("answer", "column", "first"),
    [("hist", "Histology", "adenocarcinoma"), ("sex", "gender", "female")],
)
def test_log_rank_of_the_203(
    answer: str, column: str, first: str, lung1_203: pd.DataFrame, r: dict[str, Any]
) -> None:
    survival = Survival(
        lung1_203["Survival.time"].to_numpy(), lung1_203["deadstatus.event"].to_numpy()
    )
    test = log_rank(survival, (lung1_203[column] == first).to_numpy())
    assert isinstance(test, LogRank)
    expected = r["facts"]["logrank"][answer]
    assert [test.chi_square, test.p_value] == pytest.approx([expected[0], expected[2]], abs=1e-10)


def test_bootstrap_concordances(oracle: Path, patients: pd.DataFrame) -> None:
    """The first 50 of R's bootstrap samples, which hold ties of score and time."""
    test = patients[patients.set == "test"]
    rows = pd.read_csv(oracle / "boot_idx.csv.gz", header=None).to_numpy()
    values = pd.read_csv(oracle / "boot_values.csv")
    rows = rows[:50] if rows.shape[1] == 208 else rows[:, :50].T
    for index, expected in zip(np.asarray(rows, dtype=np.intp), values.C, strict=False):
        table = test.iloc[index]
        c = harrell_c(_survival(table), table.lp)
        assert isinstance(c, Concordance)
        assert c.estimate == pytest.approx(expected, abs=1e-10)


HORIZONS = {365: "risk1y", 730: "risk2y", 1095: "risk3y"}


@pytest.mark.parametrize("which", SETS)
def test_calibration(which: str, oracle: Path, patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table = patients[patients.set == which]
    found = calibrate(
        _survival(table), table.lp, {days: 1 - table[risk] for days, risk in HORIZONS.items()}
    )
    assert isinstance(found.slope, CalibrationSlope)
    assert [
        found.slope.estimate,
        found.slope.standard_error,
        found.slope.lower,
        found.slope.upper,
    ] == pytest.approx(r[which]["cal_slope"], abs=1e-6)
    groups_of_r = pd.read_csv(oracle / f"calib_groups_{which}.csv")
    for (days, at_horizon), ratio, smooth in zip(
        found.horizons, r[which]["OE"], r[which]["calib"], strict=True
    ):
        assert isinstance(at_horizon, HorizonCalibration)
        assert isinstance(at_horizon.ratio, ObservedExpected)
        assert (days, days) == (ratio["t"], smooth["t"])
        assert [
            at_horizon.observed.estimate,
            at_horizon.predicted,
            at_horizon.ratio.estimate,
            at_horizon.ratio.log_standard_error,
        ] == pytest.approx(
            [ratio["O"], ratio["E"], ratio["OE"], ratio["se_logO_greenwood"]], abs=1e-10
        )
        expected = groups_of_r[groups_of_r.t == days]
        assert [group.n for group in at_horizon.groups] == list(expected.n)
        for group, row in zip(at_horizon.groups, expected.itertuples(), strict=True):
            assert isinstance(group.observed, RiskEstimate)
            assert [
                group.predicted,
                group.observed.estimate,
                group.observed.standard_error,
            ] == pytest.approx([row.pred, row.obs, row.se], abs=1e-10)
        assert isinstance(at_horizon.smooth, SmoothCalibration)
        assert [
            at_horizon.smooth.ici,
            at_horizon.smooth.e50,
            at_horizon.smooth.e90,
        ] == pytest.approx([smooth["ICI"], smooth["E50"], smooth["E90"]], abs=1e-3)


def test_smooth_calibration_against_coxph(patients: pd.DataFrame, r: dict[str, Any]) -> None:
    """The same spline fitted by R's coxph, whose hazard is Efron's like ours."""
    table = patients[patients.set == "test"]
    for row in r["test"]["calib_coxph"]:
        smooth = smooth_calibration(
            _survival(table), 1 - table[HORIZONS[row["t"]]].to_numpy(), row["t"]
        )
        assert isinstance(smooth, SmoothCalibration)
        assert [smooth.ici, smooth.e50, smooth.e90] == pytest.approx(
            [row["ICI"], row["E50"], row["E90"]], abs=1e-6
        )


@pytest.mark.parametrize("which", SETS)
def test_time_dependent_auc(which: str, patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table = patients[patients.set == which]
    for row in r[which]["timeROC"]:
        auc = time_dependent_auc(_survival(table), table.lp, row["t"])
        assert isinstance(auc, TimeDependentAuc)
        assert [auc.cases, auc.controls] == [row["cases"], row["controls"]]
        assert auc.estimate == pytest.approx(row["AUC"], abs=1e-10)
        assert auc.standard_error == pytest.approx(row["se"], abs=1e-10)
    for row in r[which]["score_auc"]:
        auc = time_dependent_auc(_survival(table), table.lp, row["times"])
        assert isinstance(auc, TimeDependentAuc)
        assert [auc.lower, auc.upper] == pytest.approx([row["lower"], row["upper"]], abs=1e-10)


def test_tests_between_cohorts(patients: pd.DataFrame, r: dict[str, Any]) -> None:
    """Train against test, as if they were two centres."""
    ages = [patients[patients.set == which]["age"].dropna().to_numpy() for which in SETS]
    ranks = compare_numbers(ages)
    assert isinstance(ranks, DifferenceTest)
    assert ranks.method == "Mann-Whitney test", "Shapiro-Wilk rejects normality in the test half"
    assert ranks.p_value == pytest.approx(r["table1"]["age_mw"][1], abs=1e-10)
    for column, answer in (("sex", "sex_chisq"), ("stage", "stage_chisq")):
        counts = pd.crosstab(patients["set"], patients[column]).to_numpy()
        test = compare_counts(counts)
        assert isinstance(test, DifferenceTest)
        assert test.p_value == pytest.approx(r["table1"][answer], abs=1e-10)
        assert test.method == "chi-square test"
