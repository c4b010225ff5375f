"""The validation report: everything that is known of one frozen model at the centres that did not
train it.

The report is plain data. It is stored as JSON and shown as a page by `render`; both hold the same
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter, ValidationError

from validation_reports.cohort.scored_cohort import ScoredCohort, pool
from validation_reports.cohort.training_patients import TrainingPatients
from validation_reports.errors import CohortError, ReportFormatError
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult, analyse_center
from validation_reports.report.centers_together import figures_within
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
)
from validation_reports.statistics.cohort_table import CohortTable, describe_cohorts
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.hazard_calibration import HazardScaleRatio
from validation_reports.statistics.margins import Margins
from validation_reports.statistics.new_center import pool_over_centers
from validation_reports.statistics.random_effects import PooledEffect, Scale, can_be_pooled
from validation_reports.statistics.resamples import N_RESAMPLES
from validation_reports.statistics.risk_groups import HazardRatio
from validation_reports.statistics.within_centers import WithinCenters

SCHEMA_VERSION = 3
POOL_LABEL = "Plain pool"
POOLING = "all patients of all centres together, without regard to centre"
CONFIDENCE = 0.95
DEFAULT_MARGINS = Margins()


@dataclass(frozen=True)
class Provenance:
    """Where every number comes from, so that it can be computed again.

    Parameters
    ----------
    model_digest, model_name : str
        The frozen bundle's SHA-256 and name.
    demonstration : bool
        Whether the model was trained on synthetic patients.
    store_versions : mapping of str to int
        Version of each feature-store table that was read.
    query : str
        How the patients were chosen.
    seed : int
        Seed of everything random.
    package_versions : mapping of str to str
        Versions of the packages that compute.
    software_version : str
        Version of this software.
    created_at : datetime
        Time-zone-aware moment of the report.
    """

    model_digest: str
    model_name: str
    demonstration: bool
    store_versions: Mapping[str, int]
    query: str
    seed: int
    package_versions: Mapping[str, str]
    software_version: str
    created_at: datetime

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise CohortError("The moment of the report has no time zone: give an aware datetime.")


@dataclass(frozen=True)
class PooledStatistic:
    """One statistic over the centres.

    Parameters
    ----------
    name : str
        The name of the statistic, such as ``O/E at 365 days``.
    centers : tuple of (str, float, float, float)
        Each centre that is pooled, with its estimate and interval.
    pooled : PooledEffect or NotEstimable
        The random effects.
    left_out : tuple of (str, str)
        Each other centre, and why it has no estimate that can be pooled.
    sizes : tuple of (int, int)
        Patients and deaths of each centre that is pooled; empty in reports of before.
    """

    name: str
    centers: tuple[tuple[str, float, float, float], ...]
    pooled: PooledEffect | NotEstimable
    left_out: tuple[tuple[str, str], ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class ValidationReport:
    """The whole report.

    Parameters
    ----------
    provenance : Provenance
        Where the numbers come from.
    horizons : tuple of int
        Days at which probabilities were checked.
    centers : tuple of CenterResult
        One per centre, in the order given.
    pooled : CenterResult or None
        All patients together; `None` for a single centre.
    pooling : str
        How the pool was made.
    cohort_table : CohortTable
        Who the patients are.
    across_centers : tuple of PooledStatistic
        Main statistics pooled by random effects; empty for a single centre.
    confidence : float
        Of all intervals.
    schema_version : int
        Of the JSON form.
    margins : Margins
        Within which slope and O/E count as right.
    decision_thresholds : tuple of float
        Threshold probabilities that were named beforehand.
    within : WithinCenters or None
        Main figures from comparisons within centres; `None` for a single centre, and in reports of
        before.
    leave_one_out : tuple of WithinCenters
        The same without each centre in turn; empty below three centres.
    disclosed : str
        What is rounded in it; empty where nothing is.
    erased : int
        Patients of the report who were erased since: its numbers stay, and cannot be computed again
        without them.
    """

    provenance: Provenance
    horizons: tuple[int, ...]
    centers: tuple[CenterResult, ...]
    pooled: CenterResult | None
    cohort_table: CohortTable
    across_centers: tuple[PooledStatistic, ...] = ()
    pooling: str = POOLING
    confidence: float = CONFIDENCE
    schema_version: int = SCHEMA_VERSION
    margins: Margins = DEFAULT_MARGINS
    decision_thresholds: tuple[float, ...] = ()
    within: WithinCenters | None = None
    leave_one_out: tuple[WithinCenters, ...] = ()
    disclosed: str = ""
    erased: int = 0

    @property
    def overall(self) -> CenterResult:
        """The plain pool, or the only centre."""
        return self.pooled or self.centers[0]

    @property
    def first(self) -> CenterResult | WithinCenters:
        """What the first screen tells: the figures within centres, or the only centre's; in reports
        of before the plain pool's.
        """
        return self.within or self.overall

    @property
    def rows(self) -> tuple[CenterResult | WithinCenters, ...]:
        """Each centre, then within them, then the plain pool: the rows of what is shown over
        centres.
        """
        together = (self.within, self.pooled)
        return (*self.centers, *(found for found in together if found is not None))


def build_report(
    cohorts: Sequence[ScoredCohort],
    provenance: Provenance,
    horizons: Sequence[int] = (365, 730, 1095),
    training: TrainingPatients | None = None,
    n_resamples: int = N_RESAMPLES,
    *,
    margins: Margins = DEFAULT_MARGINS,
    decision_thresholds: Sequence[float] = (),
) -> ValidationReport:
    """Compute a validation report.

    Parameters
    ----------
    cohorts : sequence of ScoredCohort
        One per centre, with different names.
    provenance : Provenance
        Where the scores come from.
    horizons : sequence of int
        Days; each cohort has a predicted survival for each.
    training : TrainingPatients, optional
        Whom the cohorts are compared with.
    n_resamples : int
        Of each bootstrap; its seed is that of `provenance`.
    margins : Margins
        Within which slope and O/E count as right.
    decision_thresholds : sequence of float
        Threshold probabilities, between 0 and 1, at which a verdict on net benefit is asked for.

    Returns
    -------
    ValidationReport

    Raises
    ------
    CohortError
        If there is no cohort, two have one name, a horizon was not predicted, or a patient is in
        two centres.
    """
    if not cohorts:
        raise CohortError(
            "There is no centre to report on: give at least one cohort with scored patients."
        )
    names = [cohort.center for cohort in cohorts]
    if len(set(names)) < len(names):
        raise CohortError(
            f"Two cohorts have the same name among {', '.join(names)}: name each centre once."
        )
    days = tuple(sorted({int(horizon) for horizon in horizons}))
    for cohort in cohorts:
        missing = [day for day in days if day not in cohort.predicted_survival]
        if missing:
            raise CohortError(
                f"{cohort.center}: no survival was predicted for {missing} days: score "
                "these horizons."
            )
    pooled = pool(cohorts, POOL_LABEL) if len(cohorts) > 1 else None
    thresholds = tuple(sorted(set(decision_thresholds)))

    def analyse(cohort: ScoredCohort) -> CenterResult:
        return analyse_center(
            cohort,
            days,
            seed=provenance.seed,
            training=training,
            confidence=CONFIDENCE,
            n_resamples=n_resamples,
            decision_thresholds=thresholds,
        )

    centers = tuple(analyse(cohort) for cohort in cohorts)
    within, without_each = figures_within(cohorts, days, CONFIDENCE) if pooled else (None, ())
    return ValidationReport(
        provenance=provenance,
        horizons=days,
        centers=centers,
        pooled=analyse(pooled) if pooled else None,
        cohort_table=describe_cohorts(cohorts, pooled),
        across_centers=pool_centers(centers, days) if pooled else (),
        margins=margins,
        decision_thresholds=thresholds,
        within=within,
        leave_one_out=without_each,
    )


def to_json(report: ValidationReport) -> str:
    """Return the report as JSON, with every number in full precision."""
    return _adapter().dump_json(report, indent=1).decode()


def from_json(text: str) -> ValidationReport:
    """Read a report back.

    Raises
    ------
    ReportFormatError
        If the text is not a report of this schema.
    """
    try:
        report = _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReportFormatError(
            "The stored report cannot be read at "
            f"{'.'.join(str(part) for part in first['loc']) or 'its start'}: {first['msg']}. Build "
            "the report again."
        ) from error
    if report.schema_version != SCHEMA_VERSION:
        raise ReportFormatError(
            f"The stored report has schema {report.schema_version}, expected {SCHEMA_VERSION}: "
            "build it again."
        )
    return report


def pool_centers(
    centers: Sequence[CenterResult], horizons: Sequence[int]
) -> tuple[PooledStatistic, ...]:
    """Pool C, hazard ratio, slope and O/E over the centres that have an estimate, each on its
    scale; the others are named.

    Parameters
    ----------
    centers : sequence of CenterResult
        One per centre.
    horizons : sequence of int
        Days.
    """
    rows: list[tuple[str, Scale, list[tuple[str, object]]]] = [
        ("Harrell's C", Scale.LOGIT, [(item.center, item.concordance) for item in centers]),
        (
            "Hazard ratio",
            Scale.LOG,
            [(item.center, item.risk_groups.hazard_ratio) for item in centers],
        ),
        (
            "Calibration slope",
            Scale.IDENTITY,
            [(item.center, item.calibration.slope) for item in centers],
        ),
    ]
    rows.append(
        (
            "O/E on the hazard scale",
            Scale.LOG,
            [(item.center, item.calibration.hazard) for item in centers],
        )
    )
    for place, days in enumerate(horizons):
        at = [(item.center, item.calibration.horizons[place][1]) for item in centers]
        rows.append(
            (
                f"O/E at {days} days",
                Scale.LOG,
                [
                    (name, found.ratio if isinstance(found, HorizonCalibration) else found)
                    for name, found in at
                ],
            )
        )
    sizes = {item.center: (item.n, item.n_events) for item in centers}
    return tuple(_pooled(name, scale, values, sizes) for name, scale, values in rows)


def _pooled(
    name: str, scale: Scale, values: list[tuple[str, object]], sizes: Mapping[str, tuple[int, int]]
) -> PooledStatistic:
    known, left_out = [], []
    for center, value in values:
        if isinstance(value, NotEstimable):
            left_out.append((center, value.sentence))
        elif isinstance(
            value,
            Concordance | HazardRatio | CalibrationSlope | ObservedExpected | HazardScaleRatio,
        ):
            error = _standard_error(value)
            if can_be_pooled(value.estimate, error, scale):
                known.append((center, value, error))
            else:
                at_end = f"{name} is {value.estimate:.2f} there, at the end of its range."
                left_out.append((center, at_end))
    effect = pool_over_centers(
        [value.estimate for _, value, _ in known],
        [error for *_, error in known],
        scale,
        name,
        CONFIDENCE,
    )
    return PooledStatistic(
        name,
        tuple((c, v.estimate, v.lower, v.upper) for c, v, _ in known),
        effect,
        tuple(left_out),
        tuple(sizes[center] for center, *_ in known),
    )


def _standard_error(
    value: Concordance | HazardRatio | CalibrationSlope | ObservedExpected | HazardScaleRatio,
) -> float:
    """Return the standard error that pooling takes: for ratios, of the logarithm."""
    if isinstance(value, ObservedExpected):
        return value.log_standard_error
    if isinstance(value, HazardScaleRatio):
        return 1 / math.sqrt(value.observed) if value.observed else math.inf
    return value.standard_error


@cache
def _adapter() -> TypeAdapter[ValidationReport]:
    """Make the adapter when a report is written or read: every scoring process imports this."""
    return TypeAdapter(ValidationReport)
