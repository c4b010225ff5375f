"""Why one patient has this score: each feature's exact part of it, and which part of the tumour the
network looked at.

The linear predictor is a sum over the selected features, so their contributions are exact and add
up to it. The deep features are not linear in the image; how they depend on it is shown by occlusion
[1]_: a cube of the image is replaced by the image's mean, and the map holds by how much the linear
predictor falls for it.

References
----------
.. [1] Zeiler MD, Fergus R. Visualizing and understanding convolutional networks. ECCV 2014,
    section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.combined.combined_model import DEEP_BLOCK, CombinedModel
from models.errors import FeatureMismatchError
from models.network.engines import Extractor
from models.network.weights import DEEP_COLUMNS, INPUT_SHAPE, checked_inputs
from models.wording import counted


@dataclass(frozen=True)
class FeatureContribution:
    """One feature's part of one patient's linear predictor.

    Parameters
    ----------
    feature, block : str
        The feature column, and what stands before its colon.
    value, z_score : float
        In the feature's own unit, and in training standard deviations from the training mean.
    weight : float
        Log hazard per standard deviation.
    contribution : float
        Its part of the linear predictor.
    """

    feature: str
    block: str
    value: float
    z_score: float
    weight: float
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """What a patient's linear predictor is made of.

    Parameters
    ----------
    linear_predictor : float
        The sum of all contributions.
    contributions : tuple of FeatureContribution
        Of every feature of the model, the largest in magnitude first.
    """

    linear_predictor: float
    contributions: tuple[FeatureContribution, ...]

    @property
    def blocks(self) -> dict[str, float]:
        """Each block's part of the linear predictor."""
        sums: dict[str, float] = {}
        for part in self.contributions:
            sums[part.block] = sums.get(part.block, 0.0) + part.contribution
        return sums


def explain(model: CombinedModel, features: pd.DataFrame) -> tuple[Explanation, ...]:
    """Take linear predictors apart.

    Parameters
    ----------
    model : CombinedModel
        The frozen model.
    features : DataFrame, shape (n, any)
        One row per patient, with at least the model's columns.

    Returns
    -------
    tuple of Explanation
        One per row, in their order.

    Raises
    ------
    FeatureMismatchError
        If a column is absent or a value is missing.
    """
    z = np.hstack([signature.z_score.apply(features) for signature in model.signatures])
    parts = (z - model.components.center) * model.feature_weights
    blocks = [signature.block for signature in model.signatures for _ in signature.features]
    values = features[list(model.features)].to_numpy(dtype=np.float64)
    found = []
    for row, total in enumerate(model.linear_predictor(features)):
        order = np.argsort(-np.abs(parts[row]), kind="stable")
        found.append(
            Explanation(
                float(total),
                tuple(
                    FeatureContribution(
                        model.features[column],
                        blocks[column],
                        float(values[row, column]),
                        float(z[row, column]),
                        float(model.feature_weights[column]),
                        float(parts[row, column]),
                    )
                    for column in order
                ),
            )
        )
    return tuple(found)


def occlusion_map(
    model: CombinedModel, extractor: Extractor, image: ArrayLike, cube: int = 16
) -> NDArray[np.float32]:
    """Show by how much the linear predictor falls when a part of the tumour's image is not seen.

    Parameters
    ----------
    model : CombinedModel
        A model that reads deep features.
    extractor : Extractor
        Its warm network.
    image : array_like of float32, shape (64, 64, 64)
        The network's input of one patient.
    cube : int
        Edge of the hidden cubes in voxels; it must divide 64.

    Returns
    -------
    ndarray of float32, shape (64, 64, 64)
        Positive where what is seen raises the risk; constant within each cube.

    Raises
    ------
    FeatureMismatchError
        If the model reads no deep features, or the image or the cube has another size.
    """
    signature = next(
        (signature for signature in model.signatures if signature.block == DEEP_BLOCK), None
    )
    if signature is None:
        raise FeatureMismatchError(
            "The model reads no deep features, so no part of the image has to do with them."
        )
    if not 0 < cube <= INPUT_SHAPE[0] or INPUT_SHAPE[0] % cube:
        raise FeatureMismatchError(
            f"Cubes of {counted(cube, 'voxel')} cannot fill an image of 64: use 8, 16 or 32."
        )
    volume = checked_inputs(np.asarray(image, dtype=np.float32)[np.newaxis])[0]
    weights = model.feature_weights[
        [feature in set(signature.features) for feature in model.features]
    ]
    count = INPUT_SHAPE[0] // cube
    hidden = np.repeat(volume[np.newaxis], count**3, axis=0)
    corners = [
        (cube * z, cube * y, cube * x)
        for z in range(count)
        for y in range(count)
        for x in range(count)
    ]
    for copy, (z, y, x) in zip(hidden, corners, strict=True):
        copy[z : z + cube, y : y + cube, x : x + cube] = volume.mean()
    deep = extractor.extract(np.concatenate([volume[np.newaxis], hidden])).astype(np.float64)
    parts = signature.z_score.apply(pd.DataFrame(deep, columns=list(DEEP_COLUMNS))) @ weights
    falls = (parts[0] - parts[1:]).reshape(count, count, count)
    return np.kron(falls, np.ones((cube, cube, cube))).astype(np.float32)
