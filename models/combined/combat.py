"""ComBat between centres with the training centre as the reference: the training centre's features
never change.

Another centre's feature g of patient j is taken as ``x = mean_g + sd_g (gamma_g + sqrt(delta_g)
e)`` with the training centre's mean and standard deviation; gamma (location) and delta (scale) are
the centre's effect. They are estimated by parametric empirical Bayes [1]_, in which every feature
of a block borrows strength from the others, and the feature becomes ``mean_g + sd_g (z - gamma_g) /
sqrt(delta_g)``.

What this takes for granted is that the centres treat the same mix of patients: no covariate is
kept, so a true difference in tumours is taken off with the scanner's. Nothing of the outcome is
seen. One patient has no centre effect, hence a single score is never aligned; a cohort's may be,
when its validation asks for it, and is then called so.

References
----------
.. [1] Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data
    using empirical Bayes
   methods. Biostatistics 2007;8:118-127, section 3.
.. [2] Zhang Y, Jenkins DF, Manimaran S, Johnson WE. Alternative empirical Bayes models for
    adjusting for batch effects
   in genomic studies. BMC Bioinformatics 2018;19:262 (the reference batch).
.. [3] Orlhac F et al. A guide to ComBat harmonization of imaging biomarkers in multicenter
    studies. J Nucl Med
   2022;63:172-179.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.combined.feature_selection import feature_values, frozen_vector, varying
from models.combined.signature import block_of
from models.errors import CombatError, NotConvergedError, TrainingError
from models.survival.risk_sets import Array
from models.wording import counted

COMBAT_METHOD = "ComBat, parametric empirical Bayes, training centre as reference, no covariates"
MINIMUM_PATIENTS = 20
"""With fewer patients a centre's means and variances say more of chance than of the centre [3]_."""
_TOLERANCE, _MOST_ROUNDS = 1e-12, 10_000


@dataclass(frozen=True, eq=False)
class CombatReference:
    """The training centre, as other centres' features are compared with it.

    Parameters
    ----------
    features : tuple of str
        Columns that vary in the training centre, p of them, of any number of blocks.
    means, sds : ndarray, shape (p,)
        Their training means and standard deviations (ddof = 0, as in ComBat's reference form [2]_).
    patients : int
        Training patients.
    method : str
        How cohorts are aligned with it.

    Raises
    ------
    TrainingError
        If lengths differ, a name repeats, or a standard deviation is not a finite number above 0.
    """

    features: tuple[str, ...]
    means: Array
    sds: Array
    patients: int
    method: str = COMBAT_METHOD

    def __post_init__(self) -> None:
        means, sds = frozen_vector(self.means), frozen_vector(self.sds)
        if not len(set(self.features)) == len(self.features) == means.size == sds.size:
            raise TrainingError(
                "The ComBat reference has "
                f"{counted(len(set(self.features)), 'different feature')}, "
                f"{counted(means.size, 'mean')} and {counted(sds.size, 'standard deviation')}: "
                "expected one of each."
            )
        if not (np.isfinite(means).all() and np.isfinite(sds).all() and (sds > 0).all()):
            raise TrainingError(
                "A mean or standard deviation of the ComBat reference is not usable: train again."
            )
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "sds", sds)


@dataclass(frozen=True, eq=False)
class CenterEffect:
    """What a centre's scanners and habits add to its features, in standard deviations of the
    training centre.

    Parameters
    ----------
    reference : CombatReference
        The training centre.
    location, scale : ndarray, shape (p,)
        gamma and delta of each feature of the reference; 0 and 1 where the centre's feature does
        not vary and therefore stays as it is.
    patients : int
        Patients that they were estimated from.
    unchanged : tuple of str
        The features that stay as they are.
    """

    reference: CombatReference
    location: Array
    scale: Array
    patients: int
    unchanged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "location", frozen_vector(self.location))
        object.__setattr__(self, "scale", frozen_vector(self.scale))

    def remove(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the centre's features without its effect; other columns are returned as they are.

        Parameters
        ----------
        table : DataFrame, shape (n, any)
            With at least the columns of the reference.
        """
        reference = self.reference
        z = (feature_values(table, reference.features) - reference.means) / reference.sds
        aligned = reference.means + reference.sds * (z - self.location) / np.sqrt(self.scale)
        changed = pd.DataFrame(aligned, index=table.index, columns=list(reference.features)).drop(
            columns=list(self.unchanged)
        )
        others = table.drop(columns=list(changed.columns))
        return pd.concat([others, changed], axis=1)[list(table.columns)]


def fit_combat_reference(table: pd.DataFrame) -> CombatReference:
    """Keep what ComBat needs of the training centre.

    Parameters
    ----------
    table : DataFrame, shape (n, p)
        Features of the training patients, columns ``<block>:<name>``; constant ones are left out.
    """
    columns = tuple(str(column) for column in table.columns)
    values = feature_values(table, columns)
    kept = np.flatnonzero(varying(values))
    chosen = values[:, kept]
    return CombatReference(
        tuple(columns[position] for position in kept),
        chosen.mean(axis=0),
        chosen.std(axis=0),
        values.shape[0],
    )


def estimate_center_effect(
    reference: CombatReference, table: pd.DataFrame, minimum_patients: int = MINIMUM_PATIENTS
) -> CenterEffect:
    """Estimate a centre's effect from its own features and from nothing else.

    Parameters
    ----------
    reference : CombatReference
        The training centre.
    table : DataFrame, shape (n, any)
        One row for each patient of the centre, with at least the columns of the reference.
    minimum_patients : int
        Fewer are refused.

    Returns
    -------
    CenterEffect
        R: ``sva::ComBat(dat, batch, ref.batch = training)`` of each block by itself, iterated until
        nothing moves.

    Raises
    ------
    CombatError
        If there are too few patients, or too few features that vary.
    FeatureMismatchError
        If a column is absent or a value is missing.
    """
    n = len(table)
    if n < minimum_patients:
        raise CombatError(
            f"ComBat needs at least {counted(minimum_patients, 'patient')} of a centre to tell its "
            f"effect from chance, found {n}: validate without it, or wait for more patients."
        )
    z = (feature_values(table, reference.features) - reference.means) / reference.sds
    varies = varying(z)
    location, scale = np.zeros(z.shape[1]), np.ones(z.shape[1])
    blocks = np.array([block_of(feature) for feature in reference.features])
    for block in dict.fromkeys(blocks.tolist()):
        columns = np.flatnonzero(varies & (blocks == block))
        if columns.size < 2:
            raise CombatError(
                f"ComBat needs at least two features of block {block} that vary in the centre, "
                f"found {columns.size}: validate without it, or look at how these features were "
                "extracted."
            )
        location[columns], scale[columns] = _shrunken(block, z[:, columns])
    unchanged = tuple(reference.features[position] for position in np.flatnonzero(~varies))
    return CenterEffect(reference, location, scale, n, unchanged)


def _shrunken(block: str, z: Array) -> tuple[Array, Array]:
    """Posterior location and scale of the features of one block, shape (k,) each [1]_."""
    n = z.shape[0]
    mean, variance = z.mean(axis=0), z.var(axis=0, ddof=1)
    prior_mean, prior_variance = mean.mean(), mean.var(ddof=1)
    level, spread = variance.mean(), variance.var(ddof=1)
    if spread == 0:
        raise CombatError(
            f"All features of block {block} have the same variance: ComBat has no prior; look at "
            "them."
        )
    shape, rate = (
        2 + level**2 / spread,
        level + level**3 / spread,
    )  # of the inverse gamma, by moments
    location, scale = mean, variance
    for _ in range(_MOST_ROUNDS):
        pull = n * prior_variance
        location_next = (pull * mean + scale * prior_mean) / (pull + scale)
        squares = (n - 1) * variance + n * (mean - location_next) ** 2
        scale_next = (squares / 2 + rate) / (n / 2 + shape - 1)
        moved = max(
            float(np.abs(location_next - location).max()),
            float(np.abs(scale_next / scale - 1).max()),
        )
        location, scale = location_next, scale_next
        if moved < _TOLERANCE:
            return location, scale
    raise NotConvergedError(
        f"ComBat's estimates of block {block} did not settle: validate without it."
    )
