"""The network's loss: the negative Cox partial log-likelihood of a batch (paper, 'Deep learning network').

    loss = - 1/d * sum_{i died} [ eta_i - log sum_{j: t_j >= t_i} exp(eta_j) ],   d = number of deaths in the batch.

The risk set of each death is taken within the batch, ties are treated as Breslow does, and a batch without a death
has loss 0. The gradient is that of `models.cox_regression` with Breslow ties, divided by d.

References
----------
.. [1] Katzman JL et al. DeepSurv: personalized treatment recommender system using a Cox proportional hazards deep
   neural network. BMC Med Res Methodol 2018;18:24.
"""

from __future__ import annotations

from typing import Any

from models.keras_backend import keras


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
    days, event = outcome[:, 0], outcome[:, 1]
    eta = ops.reshape(log_hazard, (-1,))
    at_risk = days[None, :] >= days[:, None]
    # -1e9 stands for minus infinity, whose gradient would be NaN.
    terms = ops.where(at_risk, eta[None, :], -1e9)
    likelihood = ops.sum(event * (eta - ops.logsumexp(terms, axis=1)))
    return -likelihood / ops.maximum(ops.sum(event), 1.0)
