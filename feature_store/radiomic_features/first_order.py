"""First-order features of a region's values, with the definitions of PyRadiomics 3.0.1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.radiomic_features.texture import EPSILON

Values = npt.NDArray[np.floating[Any]]


def grey_levels(inside: Values, bin_width: float) -> npt.NDArray[np.intp]:
    """Assign grey levels from 1 by a fixed bin width, with edges at multiples of it, as PyRadiomics does.

    Parameters
    ----------
    inside : ndarray, shape (n,)
        Values of the region; their type decides how the edges are rounded, so it must be PyRadiomics' own.
    bin_width : float
        In units of the image.
    """
    low, high = inside.min(), inside.max()
    edges = np.arange(low - (low % bin_width), high + 2 * bin_width, bin_width)
    return np.digitize(inside, edges)


def first_order_features(inside: Values, levels: npt.NDArray[np.integer], voxel_volume_mm3: float) -> dict[str, float]:
    """Return the 18 first-order features (IBSI UHIW; Entropy and Uniformity: ZVCW, of the grey levels).

    They are IBSI's, except that Kurtosis is not the excess: IBSI's IPH6 is 3 lower. Percentiles are interpolated
    linearly between values.

    Parameters
    ----------
    inside : ndarray, shape (n,)
        Values of the region.
    levels : ndarray of int, shape (n,)
        Their grey levels.
    voxel_volume_mm3 : float
        Volume of a voxel.
    """
    n = len(inside)
    p10, p25, median, p75, p90 = _quantiles(inside, (0.1, 0.25, 0.5, 0.75, 0.9))
    low, high = float(inside.min()), float(inside.max())
    values = inside.astype(np.float64)
    mean = float(values.mean())
    away = values - mean
    square = away * away
    second, third, fourth = float(square.mean()), float(square @ away) / n, float(square @ square) / n
    robust = values[(values >= p10) & (values <= p90)]
    energy = float(values @ values)
    counts = np.bincount(levels)
    p = counts[counts > 0] / n
    scale = second or 1.0  # a constant region has skewness and kurtosis 0
    return {
        "10Percentile": p10,  # QG58
        "90Percentile": p90,  # 8DWT
        "Energy": energy,  # N8CA
        "Entropy": float(-(p * np.log2(p + EPSILON)).sum()),  # TLU2
        "InterquartileRange": p75 - p25,  # SALO
        "Kurtosis": fourth / scale**2,  # IPH6, plus 3
        "Maximum": high,  # 84IY
        "MeanAbsoluteDeviation": float(np.abs(away).mean()),  # 4FUA
        "Mean": mean,  # Q4LE
        "Median": median,  # Y12H
        "Minimum": low,  # 1GSF
        "Range": high - low,  # 2OJQ
        "RobustMeanAbsoluteDeviation": float(np.abs(robust - robust.mean()).mean()),  # 1128
        "RootMeanSquared": float(np.sqrt(energy / n)),  # 5ZWQ
        "Skewness": third / scale**1.5,  # KE2A
        "TotalEnergy": energy * voxel_volume_mm3,
        "Uniformity": float((p**2).sum()),  # BJ5W
        "Variance": second,  # ECT3
    }


def _quantiles(inside: Values, at: tuple[float, ...]) -> list[float]:
    """Interpolate quantiles as numpy does, to the last bit: values equal to a quantile count as within it."""
    places = [q * (len(inside) - 1) for q in at]
    pairs = [(int(place), min(int(place) + 1, len(inside) - 1)) for place in places]
    ordered = np.partition(inside, sorted({rank for pair in pairs for rank in pair}))
    found = []
    for place, (below, above) in zip(places, pairs, strict=True):
        low, high, t = float(ordered[below]), float(ordered[above]), place - below
        found.append(high - (high - low) * (1 - t) if t >= 0.5 else low + (high - low) * t)
    return found
