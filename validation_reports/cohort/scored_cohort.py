"""One centre's scored patients with their outcomes: what every statistic of a report is computed
from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_store.study_identity import StudyIdentity
from feature_store.wording import counted
from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.cohort.contour_cohort import ContourCohort, side_by_side
from validation_reports.errors import CohortError

COVARIATES = ("age", "sex", "histology", "stage")


@dataclass(frozen=True, eq=False)
class ScoredCohort:
    """Scores and outcomes of the patients of one centre, in one order.

    Parameters
    ----------
    center : str
        Name of the centre, or the label of a pool.
    patient_keys : tuple of str
        Pseudonyms of the n patients that are analysed.
    survival : Survival
        Their follow-up.
    linear_predictor : ndarray of float64, shape (n,)
        The frozen model's linear predictor.
    high_risk : ndarray of bool, shape (n,)
        Whether it lies above the frozen cut-off.
    predicted_survival : mapping of int to ndarray of float64, shape (n,)
        The frozen model's survival probability by horizon in days.
    covariates : DataFrame
        Columns ``age`` (years), ``sex``, ``histology``, ``stage``; one row per patient; missing
        values are allowed.
    excluded : tuple of (str, str)
        Pseudonym and reason of each patient who is not analysed.
    warnings : mapping of str to int
        Sentence on the data, and how many of the patients it concerns.
    baseline : BaselineHazard or None
        The frozen model's baseline hazard, for what is computed between the horizons.
    signatures : DataFrame or None, shape (n, any)
        Value of each single signature.
    features : DataFrame or None, shape (n, p)
        The features that the model reads.
    acquisitions : DataFrame or None, shape (n, any)
        Scanner, protocol and month, columns as of `feature_store.tables.rows.AcquisitionRecord`.
    studies : tuple of StudyIdentity
        The study content of each patient that was scored; empty where it is not known.
    in_range : ndarray of bool or None, shape (n,)
        Whom the model knows, by what they were scored on; `None` where that is not known.
    contours : ContourCohort or None
        Scores over contours as other readers might have drawn them; `None` where none are known.

    Raises
    ------
    CohortError
        If the parts are not of the same patients, a patient comes twice, or a number is not finite.
    """

    center: str
    patient_keys: tuple[str, ...]
    survival: Survival
    linear_predictor: NDArray[np.float64]
    high_risk: NDArray[np.bool_]
    predicted_survival: Mapping[int, NDArray[np.float64]]
    covariates: pd.DataFrame
    excluded: tuple[tuple[str, str], ...] = ()
    warnings: Mapping[str, int] = field(default_factory=dict)
    baseline: BaselineHazard | None = None
    signatures: pd.DataFrame | None = None
    features: pd.DataFrame | None = None
    acquisitions: pd.DataFrame | None = None
    studies: tuple[StudyIdentity, ...] = ()
    in_range: NDArray[np.bool_] | None = None
    contours: ContourCohort | None = None

    def __post_init__(self) -> None:
        n = self.survival.n
        score = _column("linear predictor", self.linear_predictor, n, self.center)
        predicted = {
            int(days): _column(
                f"survival at {days} days", self.predicted_survival[days], n, self.center
            )
            for days in sorted(self.predicted_survival)
        }
        for days, values in predicted.items():
            if ((values < 0) | (values > 1)).any():
                raise CohortError(
                    f"{self.center}: a predicted survival at {days} days lies outside 0-1."
                )
        high = np.array(self.high_risk, dtype=np.bool_)
        if high.shape != (n,) or len(self.patient_keys) != n or len(self.covariates) != n:
            raise CohortError(
                f"{self.center}: found {counted(n, 'outcome')}, "
                f"{counted(len(self.patient_keys), 'patient')}, {counted(high.size, 'risk group')} "
                f"and {counted(len(self.covariates), 'row')} of covariates: give one of each for "
                "every patient."
            )
        for name in ("signatures", "features"):
            object.__setattr__(self, name, _table(name, getattr(self, name), n, self.center))
        if self.acquisitions is not None:
            if len(self.acquisitions) != n:
                raise CohortError(
                    f"{self.center}: {counted(len(self.acquisitions), 'acquisition')} for "
                    f"{counted(n, 'patient')}, expected one each."
                )
            object.__setattr__(self, "acquisitions", self.acquisitions.reset_index(drop=True))
        if self.in_range is not None and self.in_range.shape != (n,):
            raise CohortError(
                f"{self.center}: of {counted(self.in_range.size, 'patient')} it is known whether "
                f"the model knows them, expected {n}."
            )
        if self.contours is not None and len(self.contours.other_group) != n:
            raise CohortError(
                f"{self.center}: scores over contours were given for "
                f"{counted(len(self.contours.other_group), 'patient')}, expected {n}."
            )
        _check_patients(self.center, self.patient_keys, self.excluded)
        missing = [name for name in COVARIATES if name not in self.covariates.columns]
        if missing:
            raise CohortError(f"{self.center}: the covariates have no column {', '.join(missing)}.")
        high.flags.writeable = False
        object.__setattr__(self, "linear_predictor", score)
        object.__setattr__(self, "high_risk", high)
        object.__setattr__(self, "predicted_survival", MappingProxyType(predicted))
        object.__setattr__(
            self, "covariates", self.covariates[list(COVARIATES)].reset_index(drop=True)
        )
        object.__setattr__(self, "warnings", MappingProxyType(dict(self.warnings)))

    @property
    def n(self) -> int:
        """Number of patients analysed."""
        return self.survival.n


def pool(cohorts: Sequence[ScoredCohort], label: str) -> ScoredCohort:
    """Put the patients of several centres together, as if they were one centre's.

    Parameters
    ----------
    cohorts : sequence of ScoredCohort
        At least one, all with the same horizons; a pseudonym may occur in one centre only.
    label : str
        Name of the pool.

    Raises
    ------
    CohortError
        If there is no cohort, or the centres have other horizons or a patient in common.
    """
    if not cohorts:
        raise CohortError("There is no centre to pool: give at least one cohort.")
    horizons = {tuple(cohort.predicted_survival) for cohort in cohorts}
    if len(horizons) > 1:
        raise CohortError(
            f"The centres were scored at {counted(len(horizons), 'different set')} of horizons: "
            "score them alike."
        )
    warnings: Counter[str] = Counter()
    for cohort in cohorts:
        warnings.update(cohort.warnings)
    return ScoredCohort(
        center=label,
        patient_keys=tuple(key for cohort in cohorts for key in cohort.patient_keys),
        survival=Survival(
            np.concatenate([cohort.survival.days for cohort in cohorts]),
            np.concatenate([cohort.survival.event for cohort in cohorts]),
        ),
        linear_predictor=np.concatenate([cohort.linear_predictor for cohort in cohorts]),
        high_risk=np.concatenate([cohort.high_risk for cohort in cohorts]),
        predicted_survival={
            days: np.concatenate([cohort.predicted_survival[days] for cohort in cohorts])
            for days in horizons.pop()
        },
        covariates=pd.concat([cohort.covariates for cohort in cohorts], ignore_index=True),
        excluded=tuple(patient for cohort in cohorts for patient in cohort.excluded),
        warnings=warnings,
        baseline=cohorts[0].baseline,
        signatures=_joined([cohort.signatures for cohort in cohorts]),
        features=_joined([cohort.features for cohort in cohorts]),
        acquisitions=_joined([cohort.acquisitions for cohort in cohorts]),
        studies=tuple(study for cohort in cohorts for study in cohort.studies),
        in_range=_side_by_side([cohort.in_range for cohort in cohorts]),
        contours=side_by_side(
            [cohort.contours for cohort in cohorts], [cohort.n for cohort in cohorts]
        ),
    )


def _side_by_side(parts: Sequence[NDArray[np.bool_] | None]) -> NDArray[np.bool_] | None:
    """Return the parts in one row, `None` where one is not known."""
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _joined(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Return the tables below each other, `None` where one is absent or has other columns."""
    known = [table for table in tables if table is not None]
    if len(known) < len(tables) or len({tuple(table.columns) for table in known}) > 1:
        return None
    return pd.concat(known, ignore_index=True)


def _table(what: str, values: pd.DataFrame | None, n: int, center: str) -> pd.DataFrame | None:
    if values is None:
        return None
    if len(values) != n or not np.isfinite(values.to_numpy(dtype=np.float64)).all():
        raise CohortError(
            f"{center}: the {what} have {counted(len(values), 'row')}, expected {n} of finite "
            "numbers."
        )
    return values.reset_index(drop=True)


def _column(what: str, values: NDArray[np.float64], n: int, center: str) -> NDArray[np.float64]:
    column = np.array(values, dtype=np.float64)
    if column.shape != (n,):
        raise CohortError(
            f"{center}: the {what} has shape {column.shape}, expected one value for each of "
            f"{counted(n, 'patient')}."
        )
    if bad := int((~np.isfinite(column)).sum()):
        raise CohortError(
            f"{center}: the {what} of {counted(bad, 'patient')} is not a finite number: exclude "
            "them."
        )
    column.flags.writeable = False
    return column


def _check_patients(
    center: str, keys: tuple[str, ...], excluded: tuple[tuple[str, str], ...]
) -> None:
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise CohortError(
            f"{center}: patients who come twice: {len(twice)}, the first is {twice[0]}. Keep one "
            "row each."
        )
    both = set(keys) & {key for key, _ in excluded}
    if both:
        raise CohortError(
            f"{center}: patients who are both analysed and excluded: {len(both)}, the first "
            f"is {min(both)}."
        )
