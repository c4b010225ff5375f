"""The performance measures beyond C, AUC and calibration against R on the real Lung1 patients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.statistics.added_value import AddedValue, added_value
from validation_reports.statistics.bootstrap import bootstrap
from validation_reports.statistics.brier_score import (
    BrierScore,
    IntegratedBrier,
    brier_score,
    integrated_brier,
)
from validation_reports.statistics.d_calibration import DistributionCalibration, d_calibration
from validation_reports.statistics.discrimination import Difference, UnoConcordance, uno_c
from validation_reports.statistics.net_benefit import DecisionCurve, decision_curve
from validation_reports.statistics.proportional_hazards import (
    ProportionalityTest,
    check_proportional_hazards,
)
from validation_reports.statistics.random_effects import PooledEffect, Scale, pool_random_effects
from validation_reports.statistics.resamples import resample
from validation_reports.statistics.smooth_calibration import SmoothCalibration, smooth_calibration
from validation_reports.statistics.subgroups import (
    InteractionTest,
    analyse_subgroups,
    interaction_test,
)
from validation_reports.statistics.time_dependent_auc import compare_auc, delong

pytestmark = pytest.mark.real_data
SETS = ("train", "test")
HORIZONS = {365: "risk1y", 730: "risk2y", 1095: "risk3y"}


@pytest.fixture(scope="module")
def r(oracle: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((oracle / "oracle.json").read_text())
    return answers


@pytest.fixture(scope="module")
def patients(oracle: Path) -> pd.DataFrame:
    clinical = pd.read_csv(oracle / "split.csv").drop(columns="set")
    return (
        pd.read_csv(oracle / "scores.csv")
        .merge(clinical, on="id")
        .sort_values("id")
        .reset_index(drop=True)
    )


@pytest.fixture(scope="module")
def baseline(oracle: Path) -> BaselineHazard:
    table = pd.read_csv(oracle / "baseline_cumhaz_efron.csv")
    return BaselineHazard(
        table["time"].to_numpy(), table["cumhaz"].to_numpy(), float(table["time"].max())
    )


def _survival(table: pd.DataFrame) -> Survival:
    return Survival(table["time"].to_numpy(), table["event"].to_numpy())


def _predicted(table: pd.DataFrame) -> Mapping[int, np.ndarray[Any, np.dtype[np.float64]]]:
    return {days: 1.0 - table[column].to_numpy() for days, column in HORIZONS.items()}


@pytest.mark.parametrize("which", SETS)
def test_uno(which: str, patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table = patients[patients.set == which]
    for until, answer in ((None, "C_uno_n.G2"), (1095, "C_uno_n.G2_tau1095")):
        found = uno_c(_survival(table), table.lp, until)
        assert isinstance(found, UnoConcordance)
        assert [found.estimate, found.standard_error] == pytest.approx(r[which][answer], abs=1e-10)


@pytest.mark.parametrize("which", SETS)
def test_paired_comparisons_with_a_signature(
    which: str, patients: pd.DataFrame, r: dict[str, Any]
) -> None:
    table = patients[patients.set == which]
    for row in r[which]["timeROC_compare"]:
        found = compare_auc(_survival(table), table.lp, table.sig_all, row["t"])
        assert isinstance(found, Difference)
        assert [
            found.first,
            found.second,
            found.estimate,
            found.standard_error,
            found.p_value,
        ] == pytest.approx([row[key] for key in ("auc1", "auc2", "d", "se", "p")], abs=1e-10)
    expected = r[which]["delong"]
    paired = delong(_survival(table), table.lp, table.sig_all, 730)
    assert isinstance(paired, Difference)
    assert [
        paired.first,
        paired.second,
        paired.estimate / paired.standard_error,
        paired.p_value,
    ] == pytest.approx([expected[key] for key in ("auc1", "auc2", "z", "p")], abs=1e-10)


@pytest.mark.parametrize("which", SETS)
def test_brier(
    which: str, patients: pd.DataFrame, baseline: BaselineHazard, r: dict[str, Any]
) -> None:
    table = patients[patients.set == which]
    null, model = (
        [row for row in r[which]["score_brier"] if row["model"] == m]
        for m in ("Null model", "model")
    )
    for without, row in zip(null, model, strict=True):
        found = brier_score(_survival(table), table[HORIZONS[row["times"]]], row["times"])
        assert isinstance(found, BrierScore)
        assert [
            found.estimate,
            found.standard_error,
            found.lower,
            found.upper,
            found.ipa,
            found.null,
        ] == pytest.approx(
            [*(row[key] for key in ("Brier", "se", "lower", "upper", "IPA")), without["Brier"]],
            abs=1e-10,
        )
    whole = integrated_brier(_survival(table), table.lp, baseline, 1095)
    assert isinstance(whole, IntegratedBrier)
    expected = r[which]["IBS_grid15_1095"]
    assert [whole.estimate, whole.null] == pytest.approx(
        [expected["trapz"], expected["trapz_null"]], abs=1e-10
    )


@pytest.mark.parametrize("which", SETS)
def test_largest_calibration_error(which: str, patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table = patients[patients.set == which]
    for row, coxph in zip(r[which]["calib"], r[which]["calib_coxph"], strict=True):
        found = smooth_calibration(
            _survival(table), 1 - table[HORIZONS[row["t"]]].to_numpy(), row["t"]
        )
        assert isinstance(found, SmoothCalibration)
        assert found.emax == pytest.approx(row["Emax"], abs=1e-3)
        assert found.emax == pytest.approx(coxph["Emax"], abs=1e-6)


@pytest.mark.parametrize("which", SETS)
def test_d_calibration(
    which: str, patients: pd.DataFrame, baseline: BaselineHazard, r: dict[str, Any]
) -> None:
    table = patients[patients.set == which]
    found, expected = d_calibration(_survival(table), table.lp, baseline), r[which]["dcal"]
    assert isinstance(found, DistributionCalibration)
    assert list(found.bins) == pytest.approx(expected["bins"], abs=1e-10)
    assert [found.chi_square, found.p_value] == pytest.approx(
        [expected["chisq"], expected["p"]], abs=1e-10
    )


@pytest.mark.parametrize("which", SETS)
def test_net_benefit(which: str, oracle: Path, patients: pd.DataFrame) -> None:
    table, answers = (
        patients[patients.set == which],
        pd.read_csv(oracle / f"net_benefit_{which}.csv"),
    )
    for days, column in HORIZONS.items():
        expected = answers[answers.t == days]
        found = decision_curve(_survival(table), table[column], days, thresholds=tuple(expected.pt))
        assert isinstance(found, DecisionCurve)
        assert list(found.model) == pytest.approx(list(expected.nb_model), abs=1e-10)
        assert list(found.treat_all) == pytest.approx(list(expected.nb_all), abs=1e-10)


@pytest.mark.parametrize("which", SETS)
def test_added_value_over_stage(which: str, patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table, expected = patients[patients.set == which], r[which]["vsTNM"]
    found = added_value(_survival(table), table.lp, table.stage)
    assert isinstance(found, AddedValue)
    assert isinstance(found.concordance, Difference)
    c = found.concordance
    assert found.n == expected["n"]
    assert [c.first, c.second, c.estimate, c.standard_error, c.p_value] == pytest.approx(
        [expected[key] for key in ("C_lp", "C_tnm", "dC", "se", "p")], abs=1e-10
    )
    assert [found.likelihood_ratio, found.p_value, found.adequacy] == pytest.approx(
        [expected[key] for key in ("LRT", "p_lrt", "adequacy")], abs=1e-6
    )


@pytest.mark.parametrize("which", SETS)
def test_interactions_and_proportional_hazards(
    which: str, patients: pd.DataFrame, r: dict[str, Any]
) -> None:
    table = patients[patients.set == which].reset_index(drop=True)
    for column, expected in zip(
        ("stage2", "sex", "age65"), r[which]["interaction_LRT"], strict=True
    ):
        levels = tuple(
            (table[column] == level).to_numpy() for level in sorted(table[column].dropna().unique())
        )
        found = interaction_test(_survival(table), table.lp, levels)
        assert isinstance(found, InteractionTest)
        assert found.p_value == pytest.approx(expected, abs=1e-6)
    proportional, expected = (
        check_proportional_hazards(_survival(table), table.lp),
        r[which]["zph_lp"][0],
    )
    assert isinstance(proportional, ProportionalityTest)
    assert [proportional.chi_square, proportional.p_value] == pytest.approx(
        [expected[0], expected[2]], abs=1e-6
    )


def test_subgroups_are_those_of_r(patients: pd.DataFrame, r: dict[str, Any]) -> None:
    table = patients[patients.set == "test"].reset_index(drop=True)
    covariates = table[["age", "sex", "stage"]].assign(histology=table["hist"])
    found = analyse_subgroups(
        _survival(table), table.lp, table.high == 1, _predicted(table), covariates
    )
    expected = [
        (row["n"], row["events"], row["C"])
        for row in r["test"]["sub"]
        if row["level"] not in {"large cell", "nos"}
    ]
    levels = [level for analysis in found for level in analysis.levels]
    for level, (n, events, c) in zip(levels, expected, strict=True):
        assert (level.n, level.n_events) == (n, events)
        assert vars(level.concordance)["estimate"] == pytest.approx(c, abs=1e-10)


@pytest.mark.parametrize(
    ("file", "answer"), [("centres.csv", "pool"), ("pool_synthetic_input.csv", "pool_synthetic")]
)
def test_random_effects_against_metafor(
    file: str, answer: str, oracle: Path, r: dict[str, Any]
) -> None:
    centers = pd.read_csv(oracle / file)
    (expected,) = [row for row in r[answer] if (row["method"], row["test"]) == ("REML", "knha")]
    found = pool_random_effects(list(centers.C), list(centers.se), Scale.LOGIT, "C")
    assert isinstance(found, PooledEffect)
    assert [
        found.scaled_estimate,
        found.scaled_standard_error,
        found.tau_squared,
        found.estimate,
        found.lower,
        found.upper,
        found.prediction_lower,
        found.prediction_upper,
        found.i_squared / 100,
    ] == pytest.approx(
        [
            *(expected[key] for key in ("mu", "se", "tau2", "C", "lo", "hi", "pi_lo", "pi_hi")),
            expected["I2"] / 100,
        ],
        abs=1e-5,
    )


def test_the_thousand_resamples_of_r(oracle: Path, patients: pd.DataFrame) -> None:
    """All to 1e-10; the slope against R iterated to its maximum, of which its defaults stop up to
    9e-9 short.
    """
    table = patients[patients.set == "test"]
    rows = pd.read_csv(oracle / "boot_idx.csv.gz", header=None).to_numpy()
    rows = rows.T if rows.shape[0] == len(table) else rows
    values = pd.read_csv(oracle / "boot_values.csv")
    found = resample(_survival(table), table.lp, _predicted(table), rows=rows)
    assert len(values) == len(rows) == 1000
    np.testing.assert_allclose(found.concordance, values.C, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.auc, values[["auc1", "auc2", "auc3"]], rtol=0, atol=1e-10)
    converged = pd.read_csv(Path(__file__).with_name("bootstrap_slopes_converged.csv"))
    np.testing.assert_allclose(found.slope, converged.slope, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.slope, values.slope, rtol=0, atol=1e-8)
    for b in range(0, 1000, 199):  # the shared spline against one fit for each horizon
        again = _survival(table.iloc[rows[b]])
        for place, (days, risk) in enumerate(HORIZONS.items()):
            alone = smooth_calibration(again, 1 - table[risk].to_numpy()[rows[b]], days)
            assert isinstance(alone, SmoothCalibration)
            assert found.ici[b, place] == pytest.approx(alone.ici, abs=1e-8)


def test_the_bootstrap_interval_is_about_that_of_r(
    patients: pd.DataFrame, r: dict[str, Any]
) -> None:
    table = patients[patients.set == "test"]
    found = bootstrap(_survival(table), table.lp, _predicted(table), seed=1)
    assert vars(vars(found)["concordance"])["lower"] == pytest.approx(r["boot"]["C"][0], abs=0.012)
    assert vars(vars(found)["concordance"])["upper"] == pytest.approx(r["boot"]["C"][1], abs=0.012)
