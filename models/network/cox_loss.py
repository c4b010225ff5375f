"""The network's loss: the negative Cox partial log-likelihood of a batch (paper, 'Deep learning
network').

    loss = - 1/d * sum_{i died} [ eta_i - log(at_risk_i - k_i / d_i * dying_i) ],
    at_risk_i = sum_{j: t_j >= t_i} exp(eta_j),  dying_i = sum_{j died at t_i} exp(eta_j),

d being the number of deaths in the batch, d_i those on the day of death i, and k_i = 0..d_i - 1
numbering them (Efron's ties). The risk set of each death is taken within the batch [1]_, and a
batch without a death has loss 0. The gradient is that of `models.survival.cox_regression`, divided
by d.

References
----------
.. [1] Katzman JL et al. DeepSurv: personalized treatment recommender system using a Cox
    proportional hazards deep
   neural network. BMC Med Res Methodol 2018;18:24.
"""

from __future__ import annotations

from typing import Any

from models.network.backend import keras


def negative_cox_log_likelihood(outcome: Any, log_hazard: Any) -> Any:
    """Return the loss of one batch.

    Parameters
    ----------
    outcome : tensor of float32, shape (n, 2)
        Days of follow-up, and 1 for death or 0 for censoring.
    log_hazard : tensor of float32, shape (n, 1)
        The network's output.

    Returns
    -------
    tensor of float32, scalar
    """
    ops = keras.ops
    outcome, log_hazard = ops.convert_to_tensor(outcome), ops.convert_to_tensor(log_hazard)
    days, event = outcome[:, 0], outcome[:, 1]
    eta = ops.reshape(log_hazard, (-1,))
    at_risk = ops.cast(days[None, :] >= days[:, None], eta.dtype)
    dying = ops.cast(days[None, :] == days[:, None], eta.dtype) * event[None, :]
    position = ops.arange(ops.shape(eta)[0])
    before = ops.cast(position[None, :] < position[:, None], eta.dtype)
    share = ops.sum(dying * before, axis=1) / ops.maximum(ops.sum(dying, axis=1), 1.0)
    level = ops.stop_gradient(ops.max(eta))
    weights = ops.exp(eta - level)
    weighed = ops.matmul(at_risk - share[:, None] * dying, weights[:, None])[:, 0]
    likelihood = ops.sum(event * (eta - level - ops.log(weighed)))
    return -likelihood / ops.maximum(ops.sum(event), 1.0)
