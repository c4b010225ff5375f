"""Who the patients are, centre by centre, and whether the centres differ: the first table of a
report.

References
----------
.. [1] Schemper M, Smith TL. Control Clin Trials 1996;17:343-346 (median follow-up by reverse
    Kaplan-Meier).
.. [2] Cochran WG. Biometrics 1954;10:417-451 (expected counts that the chi-square test needs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.follow_up import (
    UNKNOWN_MONTHS,
    Accrual,
    Completeness,
    accrual,
    completeness,
)
from validation_reports.statistics.kaplan_meier import (
    MedianTime,
    kaplan_meier,
    median_follow_up,
    median_time,
)
from validation_reports.statistics.stage_groups import equally_deep

Array = NDArray[np.float64]
MISSING = "missing"
_SMALL_EXPECTED = 5
_NORMALITY_LEVEL = 0.05


@dataclass(frozen=True)
class AgeSummary:
    """Age in years of the patients whose age is known: mean, SD (n - 1), median, quartiles, range;
    how many lack it.
    """

    mean: float
    standard_deviation: float | None
    median: float
    first_quartile: float
    third_quartile: float
    youngest: float
    oldest: float
    missing: int


@dataclass(frozen=True)
class CohortColumn:
    """One centre's column.

    Parameters
    ----------
    center : str
        Name of the centre or the pool.
    n, n_events, n_high, n_excluded : int
        Patients analysed, deaths, patients at high risk, patients excluded.
    follow_up : MedianTime or NotEstimable
        Median follow-up in days by reverse Kaplan-Meier [1]_.
    median_survival : MedianTime or NotEstimable
        Median overall survival in days by Kaplan-Meier.
    age : AgeSummary or NotEstimable
        Age in years.
    completeness : tuple of Completeness
        How completely patients were followed until each horizon.
    accrual : Accrual or NotEstimable
        Over which months they were scanned.
    missing : tuple of (str, int)
        What is known of a patient, and of how many it is missing.
    counts : tuple of (str, tuple of int)
        For each row of `CohortTable.levels`, in its order: the covariate and its counts by level.
    """

    center: str
    n: int
    n_events: int
    n_high: int
    n_excluded: int
    follow_up: MedianTime | NotEstimable
    median_survival: MedianTime | NotEstimable
    age: AgeSummary | NotEstimable
    counts: tuple[tuple[str, tuple[int, ...]], ...]
    completeness: tuple[Completeness, ...] = ()
    accrual: Accrual | NotEstimable = UNKNOWN_MONTHS
    missing: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class DifferenceTest:
    """A test for a difference between centres: p value and the test's name."""

    p_value: float
    method: str


@dataclass(frozen=True)
class CohortTable:
    """All columns, the levels of each categorical row, and a test between centres for each row.

    Parameters
    ----------
    columns : tuple of CohortColumn
        One per centre, and the pool last when there are several.
    levels : tuple of (str, tuple of str)
        Covariate and its levels; ``missing`` comes last where it occurs.
    tests : tuple of (str, DifferenceTest or NotEstimable)
        Covariate and the test between centres, missing values left out.
    """

    columns: tuple[CohortColumn, ...]
    levels: tuple[tuple[str, tuple[str, ...]], ...]
    tests: tuple[tuple[str, DifferenceTest | NotEstimable], ...]


def describe_cohorts(centers: Sequence[ScoredCohort], pooled: ScoredCohort | None) -> CohortTable:
    """Describe the centres and their pool, and test the centres against each other."""
    everything = pd.concat([center.covariates for center in centers], ignore_index=True)
    levels = tuple((name, _levels(everything[name])) for name in ("sex", "stage", "histology"))
    columns = tuple(_column(cohort, levels) for cohort in (*centers, *([pooled] if pooled else [])))
    ages = [center.covariates["age"].dropna().to_numpy(dtype=np.float64) for center in centers]
    tests: list[tuple[str, DifferenceTest | NotEstimable]] = [("age", compare_numbers(ages))]
    for name, _ in levels:
        values = tuple(center.covariates[name] for center in centers)
        # a centre that tells stage more finely has no other patients for that
        tests.append((name, _compare_levels(equally_deep(*values) if name == "stage" else values)))
    return CohortTable(columns, levels, tuple(tests))


def _compare_levels(groups: Sequence[pd.Series[str]]) -> DifferenceTest | NotEstimable:
    """Test the known values of each centre by how many patients have which."""
    known = [values.dropna().map(str) for values in groups]
    levels = sorted({level for values in known for level in values})
    return compare_counts(
        np.array([[int((values == level).sum()) for level in levels] for values in known]).reshape(
            len(known), len(levels)
        )
    )


def compare_numbers(groups: Sequence[Array]) -> DifferenceTest | NotEstimable:
    """Test a continuous covariate between centres.

    Where Shapiro-Wilk finds no departure from normality in any centre (p >= 0.05): Welch's t test
    for two centres, analysis of variance for more. Otherwise Mann-Whitney (with continuity
    correction, as in R) or Kruskal-Wallis.

    Parameters
    ----------
    groups : sequence of ndarray
        Known values of each centre.
    """
    if len(groups) < 2:
        return NotEstimable("There is one centre, so there is nothing to compare.")
    if any(group.size < 3 or np.ptp(group) == 0 for group in groups):
        return NotEstimable("A centre has fewer than three known, different values.")
    normal = all(scipy.stats.shapiro(group).pvalue >= _NORMALITY_LEVEL for group in groups)
    if len(groups) == 2:
        if normal:
            return DifferenceTest(
                float(scipy.stats.ttest_ind(groups[0], groups[1], equal_var=False).pvalue),
                "Welch's t test",
            )
        ranks = scipy.stats.mannwhitneyu(
            groups[0], groups[1], use_continuity=True, method="asymptotic"
        )
        return DifferenceTest(float(ranks.pvalue), "Mann-Whitney test")
    if normal:
        return DifferenceTest(float(scipy.stats.f_oneway(*groups).pvalue), "analysis of variance")
    return DifferenceTest(float(scipy.stats.kruskal(*groups).pvalue), "Kruskal-Wallis test")


def compare_counts(counts: NDArray[np.int64]) -> DifferenceTest | NotEstimable:
    """Test a categorical covariate between centres.

    Chi-square without continuity correction; Fisher's exact test for a 2 x 2 table with an expected
    count below 5. A larger table with such counts keeps the chi-square test and says so [2]_.

    Parameters
    ----------
    counts : ndarray of int, shape (centres, levels)
        Patients by centre and level; empty centres and levels are left out.
    """
    table = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if counts.shape[0] < 2:
        return NotEstimable("There is one centre, so there is nothing to compare.")
    if table.shape[0] < 2 or table.shape[1] < 2:
        return NotEstimable("All patients with a known value are alike, or of one centre.")
    small = scipy.stats.contingency.expected_freq(table).min() < _SMALL_EXPECTED
    if small and table.shape == (2, 2):
        return DifferenceTest(float(scipy.stats.fisher_exact(table).pvalue), "Fisher's exact test")
    method = "chi-square test" + (" (approximate: an expected count is below 5)" if small else "")
    return DifferenceTest(
        float(scipy.stats.chi2_contingency(table, correction=False).pvalue), method
    )


def _levels(values: pd.Series[str]) -> tuple[str, ...]:
    known = sorted({str(value) for value in values.dropna()})
    return (*known, MISSING) if values.isna().any() else tuple(known)


def _column(cohort: ScoredCohort, levels: tuple[tuple[str, tuple[str, ...]], ...]) -> CohortColumn:
    counts = []
    for name, names in levels:
        values = cohort.covariates[name]
        text = values.map(str).where(values.notna(), MISSING)
        counts.append((name, tuple(int((text == level).sum()) for level in names)))
    return CohortColumn(
        center=cohort.center,
        n=cohort.n,
        n_events=cohort.survival.n_events,
        n_high=int(cohort.high_risk.sum()),
        n_excluded=len(cohort.excluded),
        follow_up=median_follow_up(cohort.survival),
        median_survival=median_time(kaplan_meier(cohort.survival)),
        age=_age(cohort.covariates["age"]),
        counts=tuple(counts),
        completeness=completeness(cohort.survival, cohort.predicted_survival),
        accrual=accrual(None if cohort.acquisitions is None else cohort.acquisitions["month"]),
        missing=_missing(cohort),
    )


def _missing(cohort: ScoredCohort) -> tuple[tuple[str, int], ...]:
    """Return of how many patients what is missing; whoever lacks follow-up or the score is no part
    of the cohort.
    """
    tables = {"": cohort.covariates} | (
        {} if cohort.acquisitions is None else {"CT: ": cohort.acquisitions}
    )
    counted = [
        (prefix + str(name).replace("_", " "), int(table[name].isna().sum()))
        for prefix, table in tables.items()
        for name in table.columns
    ]
    features = 0 if cohort.features is not None else cohort.n
    return (*counted, ("features in the store, for all", features))


def _age(values: pd.Series[float]) -> AgeSummary | NotEstimable:
    known = values.dropna().to_numpy(dtype=np.float64)
    if not known.size:
        return NotEstimable("No patient's age is known.")
    first, median, third = (float(value) for value in np.quantile(known, (0.25, 0.5, 0.75)))
    return AgeSummary(
        mean=float(known.mean()),
        standard_deviation=float(known.std(ddof=1)) if known.size > 1 else None,
        median=median,
        first_quartile=first,
        third_quartile=third,
        youngest=float(known.min()),
        oldest=float(known.max()),
        missing=len(values) - known.size,
    )
