"""The validation report: everything that is known of one frozen model at the centres that did not train it.

The report is plain data. It is stored as JSON and shown as a page by `render`; both hold the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from validation_reports.calibration import Calibration, calibrate
from validation_reports.cohort_table import CohortTable, describe_cohorts
from validation_reports.discrimination import Concordance, harrell_c
from validation_reports.errors import CohortError, ReportFormatError
from validation_reports.not_estimable import NotEstimable
from validation_reports.risk_groups import RiskGroups, compare_risk_groups
from validation_reports.scored_cohort import ScoredCohort, pool
from validation_reports.time_dependent_auc import TimeDependentAuc, time_dependent_auc

SCHEMA_VERSION = 1
POOL_LABEL = "All centres"
POOLING = "all patients of all centres together, without regard to centre"
CONFIDENCE = 0.95


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
class CenterResult:
    """What was found at one centre, or in the pool.

    Parameters
    ----------
    center : str
        Name of the centre, or `POOL_LABEL`.
    n, n_events, n_high : int
        Patients analysed, deaths, patients at high risk.
    concordance : Concordance or NotEstimable
        Harrell's C.
    auc : tuple of (int, TimeDependentAuc or NotEstimable)
        Horizon in days and the time-dependent AUC.
    risk_groups : RiskGroups
        Hazard ratio, log-rank test, curves and medians.
    calibration : Calibration
        Slope and, by horizon, observed against expected.
    excluded : tuple of (str, tuple of str)
        Reason and the pseudonyms of the patients excluded for it, the most frequent reason first.
    warnings : tuple of (str, int)
        Sentence on the data and the number of patients, the most frequent first.
    """

    center: str
    n: int
    n_events: int
    n_high: int
    concordance: Concordance | NotEstimable
    auc: tuple[tuple[int, TimeDependentAuc | NotEstimable], ...]
    risk_groups: RiskGroups
    calibration: Calibration
    excluded: tuple[tuple[str, tuple[str, ...]], ...]
    warnings: tuple[tuple[str, int], ...]

    @property
    def n_excluded(self) -> int:
        """Number of patients excluded."""
        return sum(len(keys) for _, keys in self.excluded)


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
    confidence : float
        Of all intervals.
    schema_version : int
        Of the JSON form.
    """

    provenance: Provenance
    horizons: tuple[int, ...]
    centers: tuple[CenterResult, ...]
    pooled: CenterResult | None
    cohort_table: CohortTable
    pooling: str = POOLING
    confidence: float = CONFIDENCE
    schema_version: int = SCHEMA_VERSION

    @property
    def overall(self) -> CenterResult:
        """The pool, or the only centre."""
        return self.pooled or self.centers[0]


def build_report(
    cohorts: Sequence[ScoredCohort], provenance: Provenance, horizons: Sequence[int] = (365, 730, 1095)
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

    Returns
    -------
    ValidationReport

    Raises
    ------
    CohortError
        If there is no cohort, two have one name, a horizon was not predicted, or a patient is in two centres.
    """
    if not cohorts:
        raise CohortError("There is no centre to report on: give at least one cohort with scored patients.")
    names = [cohort.center for cohort in cohorts]
    if len(set(names)) < len(names):
        raise CohortError(f"Two cohorts have the same name among {', '.join(names)}: name each centre once.")
    days = tuple(sorted({int(horizon) for horizon in horizons}))
    for cohort in cohorts:
        missing = [day for day in days if day not in cohort.predicted_survival]
        if missing:
            raise CohortError(f"{cohort.center}: no survival was predicted for {missing} days: score these horizons.")
    pooled = pool(cohorts, POOL_LABEL) if len(cohorts) > 1 else None
    return ValidationReport(
        provenance=provenance,
        horizons=days,
        centers=tuple(_result(cohort, days) for cohort in cohorts),
        pooled=_result(pooled, days) if pooled else None,
        cohort_table=describe_cohorts(cohorts, pooled),
    )


def to_json(report: ValidationReport) -> str:
    """Return the report as JSON, with every number in full precision."""
    return _ADAPTER.dump_json(report, indent=1).decode()


def from_json(text: str) -> ValidationReport:
    """Read a report back.

    Raises
    ------
    ReportFormatError
        If the text is not a report of this schema.
    """
    try:
        report = _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReportFormatError(
            f"The stored report cannot be read at {'.'.join(str(part) for part in first['loc']) or 'its start'}: "
            f"{first['msg']}. Build the report again."
        ) from error
    if report.schema_version != SCHEMA_VERSION:
        raise ReportFormatError(
            f"The stored report has schema {report.schema_version}, expected {SCHEMA_VERSION}: build it again."
        )
    return report


def _result(cohort: ScoredCohort, horizons: tuple[int, ...]) -> CenterResult:
    reasons: dict[str, list[str]] = {}
    for key, reason in cohort.excluded:
        reasons.setdefault(reason, []).append(key)
    predicted = {days: cohort.predicted_survival[days] for days in horizons}
    return CenterResult(
        center=cohort.center,
        n=cohort.n,
        n_events=cohort.survival.n_events,
        n_high=int(cohort.high_risk.sum()),
        concordance=harrell_c(cohort.survival, cohort.linear_predictor, CONFIDENCE),
        auc=tuple(
            (days, time_dependent_auc(cohort.survival, cohort.linear_predictor, days, CONFIDENCE)) for days in horizons
        ),
        risk_groups=compare_risk_groups(cohort.survival, cohort.high_risk, CONFIDENCE),
        calibration=calibrate(cohort.survival, cohort.linear_predictor, predicted, CONFIDENCE),
        excluded=tuple(
            (reason, tuple(sorted(keys)))
            for reason, keys in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
        ),
        warnings=tuple(sorted(cohort.warnings.items(), key=lambda item: (-item[1], item[0]))),
    )


_ADAPTER = TypeAdapter(ValidationReport)
