"""Centres pooled by random effects as R does it: mean, heterogeneity and what to expect at a new
centre, were the variance between centres known. `new_center` does without that assumption.

References
----------
.. [1] Viechtbauer W. J Educ Behav Stat 2005;30:261-293 (REML).
.. [2] Hartung J, Knapp G. Stat Med 2001;20:3875-3889; Riley RD, Higgins JPT, Deeks JJ. BMJ
    2011;342:d549.
.. [3] Snell KIE, Ensor J, Debray TPA, Moons KGM, Riley RD. Stat Methods Med Res
    2018;27:3505-3522 (scales).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from feature_store.wording import counted
from validation_reports.not_estimable import NotEstimable

Array = NDArray[np.float64]
MINIMUM_CENTERS = 3
"""Centres that an estimate of heterogeneity, and so an interval for a new centre, needs at least.
"""
POOLED_METHOD = (
    "random effects by REML; Hartung-Knapp interval and prediction interval, t with k - 1 degrees "
    "of freedom"
)


class Scale(StrEnum):
    """Scale on which a statistic is pooled [3]_."""

    LOGIT = "logit"
    LOG = "log"
    IDENTITY = "identity"


WIDEST_RATIO = 1000.0
"""Upper over lower end of an interval of a ratio, beyond which it leaves everything open."""


@dataclass(frozen=True)
class PooledEffect:
    """A statistic pooled over k centres, on its own scale.

    Parameters
    ----------
    estimate, lower, upper : float
        Mean over centres and its Hartung-Knapp interval.
    prediction_lower, prediction_upper : float
        Interval for the true value at a new centre.
    tau_squared, i_squared : float
        Variance between centres on the scale of pooling; percentage of the variance that lies
        between centres.
    q, q_p_value : float
        Cochran's test of heterogeneity.
    n_centers : int
        k.
    scale : Scale
        Scale of pooling.
    scaled_estimate, scaled_standard_error : float
        Mean and standard error on that scale.
    confidence : float
        Of both intervals.
    method : str
        How it was computed.
    """

    estimate: float
    lower: float
    upper: float
    prediction_lower: float
    prediction_upper: float
    tau_squared: float
    i_squared: float
    q: float
    q_p_value: float
    n_centers: int
    scale: Scale
    scaled_estimate: float
    scaled_standard_error: float
    confidence: float
    method: str = POOLED_METHOD

    @property
    def tells_of_a_new_center(self) -> bool:
        """Whether the interval for a new centre says anything: of a ratio, not where its ends
        differ a thousandfold.
        """
        return (
            self.scale is not Scale.LOG
            or self.prediction_upper <= WIDEST_RATIO * self.prediction_lower
        )


def pool_random_effects(
    estimates: Sequence[float],
    standard_errors: Sequence[float],
    scale: Scale,
    what: str,
    confidence: float = 0.95,
) -> PooledEffect | NotEstimable:
    """Pool a statistic over centres; R: ``metafor::rma(yi, sei = sei, method = "REML", test =
    "knha")``.

    Parameters
    ----------
    estimates : sequence of float
        The statistic at each centre, on its own scale.
    standard_errors : sequence of float
        For the scales ``logit`` and ``identity`` on the statistic's own scale (the delta method is
        applied); for ``log`` of the logarithm.
    scale : Scale
        Scale of pooling.
    what : str
        Name of the statistic, for the sentence of a refusal.
    confidence : float
        Of both intervals.
    """
    k = len(estimates)
    if k < MINIMUM_CENTERS:
        return NotEstimable(
            f"{what} is not pooled: {counted(k, 'centre')} {'has' if k == 1 else 'have'} an "
            f"estimate, and at least {MINIMUM_CENTERS} are needed to tell how centres differ and "
            "what to expect at a new one."
        )
    y, v = on_scale(
        np.asarray(estimates, dtype=np.float64),
        np.asarray(standard_errors, dtype=np.float64),
        scale,
    )
    if not (np.isfinite(y).all() and (v > 0).all()):
        return NotEstimable(f"{what} is not pooled: at a centre it lies at the end of its range.")
    tau2 = reml_tau_squared(y, v)
    weight = 1.0 / (v + tau2)
    mean = float((weight * y).sum() / weight.sum())
    error = float(np.sqrt((weight * (y - mean) ** 2).sum() / (k - 1) / weight.sum()))
    t = float(scipy.stats.t.ppf(0.5 + confidence / 2, k - 1))
    reach = t * float(np.sqrt(error**2 + tau2))
    fixed = 1.0 / v
    typical = (k - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())
    q = float((fixed * (y - (fixed * y).sum() / fixed.sum()) ** 2).sum())
    ends = [
        float(from_scale(mean + side, scale))
        for side in (0.0, -t * error, t * error, -reach, reach)
    ]
    return PooledEffect(
        estimate=ends[0],
        lower=ends[1],
        upper=ends[2],
        prediction_lower=ends[3],
        prediction_upper=ends[4],
        tau_squared=tau2,
        i_squared=100.0 * tau2 / (tau2 + float(typical)),
        q=q,
        q_p_value=float(scipy.stats.chi2.sf(q, k - 1)),
        n_centers=k,
        scale=scale,
        scaled_estimate=mean,
        scaled_standard_error=error,
        confidence=confidence,
    )


def reml_tau_squared(y: ArrayLike, v: ArrayLike) -> float:
    """Return the variance between centres by restricted maximum likelihood [1]_, 0 where the
    likelihood falls from 0.

    Parameters
    ----------
    y, v : array_like, shape (k,)
        Estimates and their variances.
    """
    values, variances = np.asarray(y, dtype=np.float64), np.asarray(v, dtype=np.float64)

    def slope(tau2: float) -> float:
        w = 1.0 / (variances + tau2)
        mean = (w * values).sum() / w.sum()
        return float((w**2 * (values - mean) ** 2).sum() - w.sum() + (w**2).sum() / w.sum())

    if slope(0.0) <= 0:
        return 0.0
    high = max(float(np.var(values)), float(variances.max()))
    while slope(high) > 0:
        high *= 2.0
    return float(scipy.optimize.brentq(slope, 0.0, high, xtol=1e-14, rtol=1e-14))


def can_be_pooled(estimate: float, standard_error: float, scale: Scale) -> bool:
    """Whether a centre's estimate has a finite value and a variance on the scale of pooling; at the
    end of its range it has none.
    """
    if scale is Scale.LOGIT and not 0 < estimate < 1:
        return False
    return standard_error > 0 and (scale is not Scale.LOG or estimate > 0)


def on_scale(estimate: Array, error: Array, scale: Scale) -> tuple[Array, Array]:
    """Return estimates and variances, shape (k,), on the scale of pooling [3]_."""
    if scale is Scale.LOGIT:
        with np.errstate(divide="ignore", invalid="ignore"):
            return logit(estimate), (error / (estimate * (1 - estimate))) ** 2
    return (np.log(estimate) if scale is Scale.LOG else estimate), error**2


def to_scale(value: float, scale: Scale) -> float:
    """Return a value of the statistic on the scale of pooling."""
    if scale is Scale.LOGIT:
        return float(logit(value))
    return float(np.log(value)) if scale is Scale.LOG else value


def from_scale(value: float, scale: Scale) -> float:
    """Return a value on the statistic's own scale."""
    if scale is Scale.LOGIT:
        return float(expit(value))
    return float(np.exp(value)) if scale is Scale.LOG else value
