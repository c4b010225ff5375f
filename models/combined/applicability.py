"""Whether the model knows such patients: how far one lies from those that trained it, in all
features at once, beside how far patients lie who were left out.

A group of features (the radiomics that the model reads; the network's deep features) is described
by the principal components of its z-scores and one variance for what they leave, the model of
probabilistic PCA [1]_, whose Mahalanobis distance exists however many features there are. A patient
is ranked among the distances of patients who were left out of what they are compared with: in folds
for radiomics, and for deep features those whom the network did not learn from. Of `m` patients left
out, the rank of another one of the same kind is uniform [2]_; below 99 of them one in a hundred
cannot be counted, and the limit is the prediction limit of log-normal distances [3]_.

References
----------
.. [1] Tipping ME, Bishop CM. J R Stat Soc B 1999;61:611-622.
.. [2] Laxhammar R, Falkman G. Ann Math Artif Intell 2015;74:67-94 (conformal anomaly detection).
.. [3] Hahn GJ, Meeker WQ. Statistical Intervals. Wiley 1991, section 4.8.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.feature_selection import ZScore, fit_z_score, frozen_vector, varying
from models.combined.principal_components import fit_principal_components
from models.errors import TrainingError
from models.survival.risk_sets import Array
from models.wording import counted

RANK = 0.01
"""Share of patients of the same kind beyond the limit."""
COUNTED_FROM = 99
"""Patients left out from which that share is counted: with fewer, none of them may lie beyond."""
OUTSIDE = "are outside the range of the patients that trained the model"
_FOLDS = 10
_VARIANCE = 0.95
_LEAST_VARIANCE = 1e-3
"""Of a direction, in squared standard deviations: features that never differ make no distance."""
_NEAREST = 1e-6


@dataclass(frozen=True)
class Place:
    """Where one patient lies in one group of features.

    Parameters
    ----------
    group : str
        What the features are called in sentences.
    distance : float
        From the training patients, in standard deviations.
    limit : float
        Beyond it lies one in a hundred patients of the same kind.
    rank : float
        Share of the patients left out that lie as far away, the patient counted with them.
    n_left_out : int
        How many those are.
    feature : str
        The one that adds most to the distance.
    z_score : float
        Its value in standard deviations from the training mean.
    """

    group: str
    distance: float
    limit: float
    rank: float
    n_left_out: int
    feature: str
    z_score: float

    @property
    def outside(self) -> bool:
        """Whether the model knows no such patients."""
        return self.distance > self.limit

    @property
    def sentence(self) -> str:
        """What is said of a patient outside."""
        return (
            f"The {self.group} {OUTSIDE}: "
            f"distance {self.distance:.3g}, expected at most {self.limit:.3g}, beyond which lies 1 "
            f"in 100 such patients ({counted(self.n_left_out, 'patient')} left out to find it). "
            f"What stands out most is {self.feature}, {self.z_score:+.3g} SD from their mean. "
            "Check CT and contour; if both are right, the model knows no such patient."
        )


@dataclass(frozen=True, eq=False)
class JointDistance:
    """How far patients lie from those that trained the model, in one group of features.

    Parameters
    ----------
    group : str
        What the features are called in sentences.
    z_score : ZScore
        The p features with means and standard deviations of the patients compared with.
    loadings : ndarray, shape (p, k)
        Principal components of their z-scores.
    variances : ndarray, shape (k,)
        Of the components.
    rest : float
        Variance of each direction that the components leave.
    left_out : ndarray, shape (m,)
        Distances of the patients who were left out, ascending.
    limit : float
        Beyond it lies one in a hundred patients of the same kind.

    Raises
    ------
    TrainingError
        If the shapes differ, or a number is not finite or not above 0.
    """

    group: str
    z_score: ZScore = field(metadata={"inline": True})
    loadings: Array
    variances: Array
    rest: float
    left_out: Array
    limit: float

    def __post_init__(self) -> None:
        parts = {name: frozen_vector(getattr(self, name)) for name in _ARRAYS}
        p, k = len(self.z_score.features), parts["variances"].size
        if parts["loadings"].shape != (p, k) or not k or not parts["left_out"].size:
            raise TrainingError(
                f"The distance in {self.group} has loadings of shape {parts['loadings'].shape} for "
                f"{counted(p, 'feature')} and {counted(k, 'component')}, and "
                f"{counted(parts['left_out'].size, 'patient')} left out: train the model again."
            )
        positive = (*parts["variances"], *parts["left_out"], self.rest, self.limit)
        if not (np.isfinite(parts["loadings"]).all() and np.isfinite(positive).all()) or (
            min(positive) <= 0
        ):
            raise TrainingError(
                f"A number of the distance in {self.group} is not finite or not above 0: train the "
                "model again."
            )
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def distances(self, table: pd.DataFrame) -> Array:
        """Return how far patients lie from the training patients, shape (n,).

        Raises
        ------
        FeatureMismatchError
            If a feature is absent or not finite.
        """
        z = self.z_score.apply(table)
        return np.array([_distance(row, self._pull(row)) for row in z], dtype=np.float64)

    def places(self, table: pd.DataFrame) -> tuple[Place, ...]:
        """Return where each patient of `table` lies, in their order; errors as of `distances`."""
        return tuple(self._place(row) for row in self.z_score.apply(table))

    def _place(self, row: Array) -> Place:
        pull = self._pull(row)
        distance, most = _distance(row, pull), int(np.argmax(row * pull))
        as_far = int((self.left_out >= distance).sum())
        return Place(
            group=self.group,
            distance=distance,
            limit=self.limit,
            rank=(1 + as_far) / (1 + self.left_out.size),
            n_left_out=int(self.left_out.size),
            feature=self.z_score.features[most],
            z_score=float(row[most]),
        )

    def _pull(self, row: Array) -> Array:
        """Return the inverse covariance times a patient's z-scores, shape (p,)."""
        # Sums in a fixed order, so that a patient's distance has the same bits alone and among
        # others.
        scores = (self.loadings * row[:, None]).sum(axis=0)
        along = (self.loadings * scores).sum(axis=1)
        across = (self.loadings * (scores / self.variances)).sum(axis=1)
        return np.asarray(across + (row - along) / self.rest, dtype=np.float64)


_ARRAYS = ("loadings", "variances", "left_out")


@dataclass(frozen=True, eq=False)
class Applicability:
    """Which patients the model knows.

    Parameters
    ----------
    distances : tuple of JointDistance
        One for each group of features.
    """

    distances: tuple[JointDistance, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "distances", tuple(self.distances))

    def places(self, table: pd.DataFrame) -> tuple[Place, ...]:
        """Return where the only patient of `table` lies, one place for each group.

        Raises
        ------
        FeatureMismatchError
            If a feature is absent or not finite.
        """
        return tuple(place for one in self.distances for place in one.places(table))

    def inside(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which patients of `table` lie within every limit, shape (n,); the same errors."""
        known = np.ones(len(table), dtype=np.bool_)
        for one in self.distances:
            known &= one.distances(table) <= one.limit
        return known


def fit_joint_distance(
    group: str, table: pd.DataFrame, left_out: Collection[str] = ()
) -> JointDistance | None:
    """Learn how far patients of the same kind lie from those that train the model.

    Parameters
    ----------
    group : str
        What the features are called in sentences.
    table : DataFrame, shape (n, p)
        Features of the training patients, indexed by patient key.
    left_out : collection of str
        Patients of `table` with whom the others are not described; without any, each patient is
        left out once, in folds.

    Returns
    -------
    JointDistance or None
        `None` where no feature varies, or fewer than two patients are left out.
    """
    ordered = table.sort_index()
    outside = ordered.index.isin(list(left_out))
    fold = np.arange(len(ordered)) % min(_FOLDS, len(ordered))
    parts = [outside] if outside.any() else [fold == number for number in range(fold.max() + 1)]
    values = ordered.to_numpy(dtype=np.float64)
    varies = np.all([varying(values[~part]) for part in parts], axis=0) & varying(values)
    if not varies.any() or sum(int(part.sum()) for part in parts) < 2:
        return None
    kept = ordered.loc[:, varies]
    found = np.concatenate(
        [_described(group, kept[~part]).distances(kept[part]) for part in parts if part.any()]
    )
    distances = np.sort(np.maximum(found, _NEAREST))
    described = _described(group, kept[~outside])
    return JointDistance(
        group,
        described.z_score,
        described.loadings,
        described.variances,
        described.rest,
        distances,
        one_percent_limit(distances),
    )


def one_percent_limit(distances: Array) -> float:
    """Return beyond which distance one in a hundred patients of the same kind lies.

    Parameters
    ----------
    distances : ndarray, shape (m,)
        Of two or more patients who were left out, above 0. From 99 of them on the limit is counted
        [2]_; of fewer it is the prediction limit of log-normal distances [3]_, and never below the
        farthest of them.
    """
    ordered = np.sort(distances)
    if ordered.size >= COUNTED_FROM:
        return float(ordered[int(np.ceil((1 - RANK) * (ordered.size + 1))) - 1])
    from scipy.stats import t  # noqa: PLC0415 - takes a second, and scoring does not need it

    logs = np.log(ordered)
    reach = t.ppf(1 - RANK, logs.size - 1) * logs.std(ddof=1) * np.sqrt(1 + 1 / logs.size)
    return max(float(ordered[-1]), float(np.exp(min(logs.mean() + reach, 700.0))))


def _described(group: str, table: pd.DataFrame) -> JointDistance:
    """Describe patients by the components of their z-scores."""
    z_score, _ = fit_z_score(table)
    z = z_score.apply(table)
    components, explained = fit_principal_components(z, _VARIANCE)
    variances = components.scores(z).var(axis=0, ddof=1)
    left = len(z_score.features) - variances.size
    rest = (1 - explained) / explained * variances.sum() / left if left else 0.0
    return JointDistance(
        group,
        z_score,
        components.loadings,
        np.maximum(variances, _LEAST_VARIANCE),
        max(float(rest), _LEAST_VARIANCE),
        np.ones(1),
        1.0,
    )


def _distance(row: Array, pull: Array) -> float:
    return float(np.sqrt(max(float((row * pull).sum()), 0.0)))
