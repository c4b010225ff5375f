"""No count beside a figure tells what the tables of a safe report round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.disclosure.what_leaves import Disclosure, what_leaves
from validation_reports.page.render import render_html
from validation_reports.report.validation_report import ValidationReport, build_report, to_json
from validation_reports.statistics.added_value import AddedValue

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def safe() -> ValidationReport:
    """Of a centre where two of thirty live, of one of four patients, and of a usual one."""
    nearly_all = made_cohort("B", 30, 2)
    died = np.isin(np.arange(30), [3, 9], invert=True)
    random = np.random.default_rng(1)
    nearly_all = replace(
        nearly_all,
        survival=Survival(nearly_all.survival.days, died),
        signatures=pd.DataFrame({"GTV": random.normal(size=30)}),
    )
    few, usual = made_cohort("C", 4, 3), made_cohort("D", 60, 4)
    usual = replace(usual, high_risk=np.arange(60) == 5)
    cohorts = [nearly_all, few, usual]
    report = build_report(cohorts, PROVENANCE, n_resamples=5)
    return what_leaves(report, cohorts, Disclosure.SAFE).report


def test_pooled_figures_have_the_sizes_of_the_tables(safe: ValidationReport) -> None:
    sizes = {one.center: (one.n, one.n_events) for one in safe.centers}
    assert sizes["B"] == (30, 25)
    for one in safe.across_centers:
        assert one.sizes == tuple(sizes[center] for center, *_ in one.centers)
    page = render_html(safe)
    assert "28 deaths" not in page
    assert "n = 30, 25 deaths" in page


def test_a_reason_tells_no_count_of_few(safe: ValidationReport) -> None:
    text = to_json(safe)
    assert "is not estimated from fewer than 5 deaths in fewer than 5 patients" in text
    for told in ("3 deaths in 4 patients", "(1 patient, 1 death)"):
        assert told not in text


def test_tests_have_rounded_counts(safe: ValidationReport) -> None:
    center = safe.centers[0]
    assert isinstance(center.added_value, AddedValue)
    assert (center.added_value.n, center.added_value.n_events) == (30, 25)
    ((comparison,),) = (center.comparisons,)
    counts = [count for at in comparison.horizons for count in (at.n_dead, at.n_alive)]
    assert all(count is not None and (count == 0 or count >= 5) for count in counts)


def test_a_level_of_all_of_few_patients_is_given_as_their_number(safe: ValidationReport) -> None:
    few = next(column for column in safe.cohort_table.columns if column.center == "C")
    assert few.n == 5
    assert all(count in (0, 5) for _, counts in few.counts for count in counts)
