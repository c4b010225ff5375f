"""The CSV holds every curve at every time, however thin the report's are."""

from __future__ import annotations

import io

import pandas as pd

from tests.support.scored_cohorts import HORIZONS, made_cohort
from validation_reports.report.curves import curves_csv
from validation_reports.statistics.kaplan_meier import kaplan_meier
from validation_reports.statistics.risk_groups import compare_risk_groups


def test_every_time_of_every_curve_is_in_it_and_the_reports_are_part_of_it() -> None:
    cohorts = [made_cohort("A", 2000, 1), made_cohort("B", 60, 2)]
    table = pd.read_csv(io.StringIO(curves_csv(cohorts, HORIZONS)), keep_default_na=False)
    assert set(table.centre) == {"A", "B", "Plain pool"}
    assert set(table.subgroup) == {"", "stage", "histology", "sex", "age"}
    low = table[(table.centre == "A") & (table.subgroup == "") & (table.group == "low risk")]
    survival = cohorts[0].survival.subset(~cohorts[0].high_risk)
    whole = kaplan_meier(survival)
    assert low.days.tolist() == list(whole.days)
    assert low.deaths.sum() == survival.n_events
    shown = compare_risk_groups(cohorts[0].survival, cohorts[0].high_risk).groups[0].curve
    assert shown.n_times == len(whole.days)
    assert len(shown.days) <= 400
    in_csv = low.set_index("days").loc[list(shown.days)]
    assert in_csv.at_risk.tolist() == list(shown.at_risk)
    assert (in_csv.survival - list(shown.survival)).abs().max() < 1e-12
