"""All that is found at one centre, or in the pool: the functions of this package applied to one
cohort.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.cohort.training_patients import TrainingPatients
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.acquisition_table import AcquisitionTable, describe_acquisitions
from validation_reports.statistics.added_value import AddedValue, added_value
from validation_reports.statistics.bootstrap import Bootstrap, bootstrap
from validation_reports.statistics.brier_score import (
    BrierScore,
    IntegratedBrier,
    brier_score,
    integrated_brier,
)
from validation_reports.statistics.calibration import Calibration, CalibrationSlope, calibrate
from validation_reports.statistics.censoring import alive_on
from validation_reports.statistics.cohort_shift import CohortShift, compare_with_training
from validation_reports.statistics.d_calibration import DistributionCalibration, d_calibration
from validation_reports.statistics.discrimination import (
    Concordance,
    Difference,
    UnoConcordance,
    compare_concordance,
    harrell_c,
    uno_c,
)
from validation_reports.statistics.drift import Drift, drift_over_time
from validation_reports.statistics.ici_by_chance import IciByChance, ici_by_chance
from validation_reports.statistics.net_benefit import DecisionCurve, decision_curve
from validation_reports.statistics.over_contours import (
    CONTOURS_UNKNOWN,
    OverContours,
    over_contours,
)
from validation_reports.statistics.precision import Precision, expected_precision
from validation_reports.statistics.proportional_hazards import (
    ProportionalityTest,
    check_proportional_hazards,
)
from validation_reports.statistics.recalibration import Recalibration, recalibrate
from validation_reports.statistics.resamples import N_RESAMPLES
from validation_reports.statistics.risk_groups import RiskGroups, compare_risk_groups
from validation_reports.statistics.stage_groups import is_advanced
from validation_reports.statistics.subgroups import SubgroupAnalysis, analyse_subgroups
from validation_reports.statistics.time_dependent_auc import (
    TimeDependentAuc,
    compare_auc,
    delong,
    time_dependent_auc,
)
from validation_reports.statistics.within_range import RANGE_UNKNOWN, WithinRange, within_range
from validation_reports.wording import without_patterns


@dataclass(frozen=True)
class HorizonComparison:
    """The combined model (first) against one signature (second) at a horizon, censoring-aware and
    by DeLong; and of how many patients DeLong's test knows that they had died or were alive
    (`None` in reports of before).
    """

    days: int
    auc: Difference | NotEstimable
    delong: Difference | NotEstimable
    n_dead: int | None = None
    n_alive: int | None = None


@dataclass(frozen=True)
class SignatureComparison:
    """One signature beside the combined model: its own C, the difference in C, and the differences
    at each horizon.
    """

    signature: str
    alone: Concordance | NotEstimable
    concordance: Difference | NotEstimable
    horizons: tuple[HorizonComparison, ...]


@dataclass(frozen=True)
class CenterResult:
    """What was found at one centre, or in the pool.

    Parameters
    ----------
    center : str
        Name of the centre, or of the pool.
    n, n_events, n_high : int
        Patients analysed, deaths, patients at high risk.
    concordance : Concordance or NotEstimable
        Harrell's C.
    uno : UnoConcordance or NotEstimable
        Uno's C up to the last horizon.
    auc : tuple of (int, TimeDependentAuc or NotEstimable)
        Horizon in days and the time-dependent AUC.
    comparisons : tuple of SignatureComparison
        Single signatures beside the combined model; empty where they are not known.
    risk_groups : RiskGroups
        Hazard ratio, log-rank test, curves and medians.
    proportionality : ProportionalityTest or NotEstimable
        Check of proportional hazards of the score.
    calibration : Calibration
        Slope and observed against expected, by horizon and on the hazard scale.
    ici_by_chance : tuple of (int, IciByChance or NotEstimable)
        Horizon in days and the ICI of a perfectly calibrated model; empty in reports of before.
    d_calibration : DistributionCalibration or NotEstimable
        Calibration of the whole distribution.
    recalibration : Recalibration or NotEstimable
        What recalibration in these patients would give; never mixed with the frozen model's
        performance.
    brier : tuple of (int, BrierScore or NotEstimable)
        Horizon in days and the Brier score with IPA.
    integrated_brier : IntegratedBrier or NotEstimable
        The Brier score over time.
    decision : tuple of (int, DecisionCurve or NotEstimable)
        Horizon in days and net benefit.
    added_value : AddedValue or NotEstimable
        What the score adds to stage.
    subgroups : tuple of SubgroupAnalysis
        The paper's subgroups.
    bootstrap : Bootstrap or NotEstimable
        Bootstrap intervals and calibration bands.
    precision : Precision or NotEstimable
        Interval widths, and patients needed.
    shift : CohortShift or NotEstimable
        Comparison with the training patients.
    acquisitions : AcquisitionTable or NotEstimable
        Scanners and protocols.
    drift : Drift or NotEstimable
        Change over the months of the scans.
    excluded : tuple of (str, tuple of str)
        Reason and the pseudonyms of the patients excluded for it, the most frequent reason first.
    warnings : tuple of (str, int)
        Sentence on the data and the number of patients, the most frequent first.
    within_range : WithinRange or NotEstimable
        The main figures without the patients whom the model does not know.
    over_contours : OverContours or NotEstimable
        How far the main figures move with other contours, and whose risk group is uncertain.
    """

    center: str
    n: int
    n_events: int
    n_high: int
    concordance: Concordance | NotEstimable
    uno: UnoConcordance | NotEstimable
    auc: tuple[tuple[int, TimeDependentAuc | NotEstimable], ...]
    comparisons: tuple[SignatureComparison, ...]
    risk_groups: RiskGroups
    proportionality: ProportionalityTest | NotEstimable
    calibration: Calibration
    d_calibration: DistributionCalibration | NotEstimable
    recalibration: Recalibration | NotEstimable
    brier: tuple[tuple[int, BrierScore | NotEstimable], ...]
    integrated_brier: IntegratedBrier | NotEstimable
    decision: tuple[tuple[int, DecisionCurve | NotEstimable], ...]
    added_value: AddedValue | NotEstimable
    subgroups: tuple[SubgroupAnalysis, ...]
    bootstrap: Bootstrap | NotEstimable
    precision: Precision | NotEstimable
    shift: CohortShift | NotEstimable
    acquisitions: AcquisitionTable | NotEstimable
    drift: Drift | NotEstimable
    excluded: tuple[tuple[str, tuple[str, ...]], ...]
    warnings: tuple[tuple[str, int], ...]
    ici_by_chance: tuple[tuple[int, IciByChance | NotEstimable], ...] = ()
    within_range: WithinRange | NotEstimable = RANGE_UNKNOWN
    over_contours: OverContours | NotEstimable = CONTOURS_UNKNOWN

    @property
    def last_day(self) -> float:
        """Longest follow-up in days; infinite where no curve is shown."""
        return max((group.curve.last_day for group in self.risk_groups.groups), default=math.inf)

    @property
    def n_excluded(self) -> int:
        """Number of patients excluded."""
        return sum(len(keys) for _, keys in self.excluded)


def analyse_center(
    cohort: ScoredCohort,
    horizons: tuple[int, ...],
    *,
    seed: int,
    training: TrainingPatients | None = None,
    confidence: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    decision_thresholds: tuple[float, ...] = (),
) -> CenterResult:
    """Compute everything for one cohort.

    Parameters
    ----------
    cohort : ScoredCohort
        A centre's patients, or those of several.
    horizons : tuple of int
        Days, ascending; each has a predicted survival.
    seed, n_resamples : int
        Of the bootstrap.
    training : TrainingPatients, optional
        Whom to compare with.
    confidence : float
        Of all intervals.
    decision_thresholds : tuple of float
        Threshold probabilities at which a verdict on net benefit is asked for.
    """
    survival, score = alive_on(cohort.survival, horizons), cohort.linear_predictor
    predicted = {days: cohort.predicted_survival[days] for days in horizons}
    risk = {days: 1.0 - values for days, values in predicted.items()}
    concordance = harrell_c(survival, score, confidence)
    calibration = calibrate(survival, score, predicted, confidence, cohort.baseline)
    known = {
        name: found.standard_error
        for name, found in (("C", concordance), ("slope", calibration.slope))
        if isinstance(found, Concordance | CalibrationSlope)
    }
    reasons: dict[str, list[str]] = {}
    for key, reason in cohort.excluded:
        reasons.setdefault(without_patterns(reason), []).append(key)
    return CenterResult(
        center=cohort.center,
        n=cohort.n,
        n_events=survival.n_events,
        n_high=int(cohort.high_risk.sum()),
        concordance=concordance,
        uno=uno_c(survival, score, max(horizons), confidence),
        auc=tuple(
            (days, time_dependent_auc(survival, score, days, confidence)) for days in horizons
        ),
        comparisons=_comparisons(cohort, horizons, confidence),
        risk_groups=compare_risk_groups(survival, cohort.high_risk, confidence),
        proportionality=check_proportional_hazards(survival, score),
        calibration=calibration,
        d_calibration=d_calibration(survival, score, cohort.baseline),
        recalibration=recalibrate(survival, score, calibration.slope, horizons, confidence),
        brier=tuple(
            (days, brier_score(survival, risk[days], days, confidence)) for days in horizons
        ),
        integrated_brier=integrated_brier(survival, score, cohort.baseline, max(horizons)),
        decision=tuple(
            (
                days,
                decision_curve(
                    survival,
                    risk[days],
                    days,
                    [is_advanced(stage) for stage in cohort.covariates["stage"]],
                    named=decision_thresholds,
                    horizons=len(horizons),
                    confidence=confidence,
                ),
            )
            for days in horizons
        ),
        added_value=added_value(survival, score, cohort.covariates["stage"], confidence),
        subgroups=analyse_subgroups(
            survival, score, cohort.high_risk, predicted, cohort.covariates, confidence
        ),
        bootstrap=bootstrap(
            survival, score, predicted, seed=seed, n_resamples=n_resamples, confidence=confidence
        ),
        precision=expected_precision(
            cohort.n, survival.n_events, float(cohort.high_risk.mean()), known, confidence
        ),
        shift=compare_with_training(
            training, score, cohort.covariates, cohort.features, confidence
        ),
        acquisitions=describe_acquisitions(
            cohort.acquisitions, score, training.acquisitions if training else None
        ),
        drift=drift_over_time(
            None if cohort.acquisitions is None else cohort.acquisitions["month"],
            score,
            cohort.features,
            confidence,
        ),
        excluded=tuple(
            (reason, tuple(sorted(keys)))
            for reason, keys in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
        ),
        ici_by_chance=ici_by_chance(survival, score, cohort.baseline, predicted, seed=seed),
        warnings=tuple(sorted(cohort.warnings.items(), key=lambda item: (-item[1], item[0]))),
        within_range=within_range(survival, score, cohort.in_range, cohort.baseline, confidence),
        over_contours=over_contours(survival, score, cohort.contours, cohort.baseline),
    )


def _comparisons(
    cohort: ScoredCohort, horizons: tuple[int, ...], confidence: float
) -> tuple[SignatureComparison, ...]:
    if cohort.signatures is None:
        return ()
    survival, score = alive_on(cohort.survival, horizons), cohort.linear_predictor
    found = []
    for name in cohort.signatures.columns:
        other = cohort.signatures[name].to_numpy(dtype=np.float64)
        at_horizons = tuple(
            HorizonComparison(
                days,
                compare_auc(survival, score, other, days, confidence),
                delong(survival, score, other, days, confidence),
                n_dead=int((survival.event & (survival.days <= days)).sum()),
                n_alive=int((survival.days > days).sum()),
            )
            for days in horizons
        )
        alone = harrell_c(survival, other, confidence)
        difference = compare_concordance(survival, score, other, confidence)
        found.append(SignatureComparison(str(name), alone, difference, at_horizons))
    return tuple(found)
