"""First-order features of a region's values, with the definitions of PyRadiomics 3.0.1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.radiomic_features.grey_levels import tallied
from feature_store.radiomic_features.texture import EPSILON

Values = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]

_BUCKETS = 2048
"""Between the least and the largest value; where quantiles are, one bucket of each is put in order.
"""
_LEAST_RANGE = 1e-200
"""Of values that can be shared out to buckets without overflow."""
_BLOCK = 1024
"""Summed on its own, so that rounding does not add up."""


def first_order_features(
    inside: Values, levels: npt.NDArray[np.integer], voxel_volume_mm3: float
) -> dict[str, float]:
    """Return the 18 first-order features (IBSI UHIW; Entropy and Uniformity: ZVCW, of the grey
    levels).

    They are IBSI's, except that Kurtosis is not the excess: IBSI's IPH6 is 3 lower. Percentiles are
    interpolated linearly between values.

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
    values = inside.astype(np.float64, copy=False)
    p10, p25, median, p75, p90 = _quantiles(values, (0.1, 0.25, 0.5, 0.75, 0.9))
    low, high = float(values.min()), float(values.max())
    total, energy, robust_total, robust_count = _sums(values, p10, p90)
    mean = total / n
    away = _sums_away(values, mean, p10, p90, robust_total / robust_count)
    absolute, second, third, fourth, robust = (found / n for found in away)
    counts = tallied(levels)
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
        "MeanAbsoluteDeviation": absolute,  # 4FUA
        "Mean": mean,  # Q4LE
        "Median": median,  # Y12H
        "Minimum": low,  # 1GSF
        "Range": high - low,  # 2OJQ
        "RobustMeanAbsoluteDeviation": robust * n / robust_count,  # 1128
        "RootMeanSquared": float(np.sqrt(energy / n)),  # 5ZWQ
        "Skewness": third / scale**1.5,  # KE2A
        "TotalEnergy": energy * voxel_volume_mm3,
        "Uniformity": float((p**2).sum()),  # BJ5W
        "Variance": second,  # ECT3
    }


def _quantiles(inside: Floats, at: tuple[float, ...]) -> list[float]:
    """Interpolate quantiles as numpy does, to the last bit: values equal to a quantile count as
    within it.
    """
    places = [q * (len(inside) - 1) for q in at]
    pairs = [(int(place), min(int(place) + 1, len(inside) - 1)) for place in places]
    ranks = sorted({rank for pair in pairs for rank in pair})
    ordered = dict(zip(ranks, _of_rank(inside, ranks), strict=True))
    found = []
    for place, (below, above) in zip(places, pairs, strict=True):
        low, high, t = ordered[below], ordered[above], place - below
        found.append(high - (high - low) * (1 - t) if t >= 0.5 else low + (high - low) * t)
    return found


def _of_rank(inside: Floats, ranks: list[int]) -> list[float]:
    """Return the values of some ranks from 0, ordering only the buckets that hold them."""
    low, high = float(inside.min()), float(inside.max())
    if high - low < _LEAST_RANGE:
        return [float(value) for value in np.sort(inside)[ranks]]
    buckets, counts = np.empty(len(inside), dtype=np.uint16), np.zeros(_BUCKETS, dtype=np.int64)
    _fill_buckets(inside, low, (_BUCKETS - 1) / (high - low), buckets, counts)
    tops = np.cumsum(counts)
    holders = np.searchsorted(tops, ranks, side="right")
    wanted = np.zeros(_BUCKETS, dtype=np.bool_)
    wanted[holders] = True
    held = np.empty(int(counts[wanted].sum()) + 1)
    _hold(inside, buckets, wanted, held)
    held[:-1].sort()
    left_out = np.cumsum(np.where(wanted, 0, counts))
    return [
        float(held[rank - left_out[holder]]) for rank, holder in zip(ranks, holders, strict=True)
    ]


@compiled
def _fill_buckets(
    inside: Floats,
    low: float,
    per_bucket: float,
    buckets: npt.NDArray[np.uint16],
    counts: npt.NDArray[np.int64],
) -> None:
    """Assign each value to a bucket and count what each holds."""
    for i in range(len(inside)):
        bucket = np.uint16((inside[i] - low) * per_bucket)
        buckets[i] = bucket
        counts[np.uintp(bucket)] += 1


@compiled
def _hold(
    inside: Floats, buckets: npt.NDArray[np.uint16], wanted: npt.NDArray[np.bool_], held: Floats
) -> None:
    """Copy the values of some buckets; one place more than they need is written to."""
    count = np.uintp(0)
    for i in range(len(inside)):
        held[count] = inside[i]
        count += np.uintp(wanted[np.uintp(buckets[i])])


@compiled
def _sums(values: Floats, p10: float, p90: float) -> tuple[float, float, float, float]:
    """Return the sums of values and squares, and of the values from p10 to p90 with their
    number.
    """
    total = energy = robust = count = 0.0
    for start in range(0, len(values), _BLOCK):
        block_total = block_energy = block_robust = 0.0
        for value in values[start : start + _BLOCK]:
            within = np.float64(p10 <= value) * np.float64(value <= p90)
            block_total += value
            block_energy += value * value
            block_robust += within * value
            count += within
        total += block_total
        energy += block_energy
        robust += block_robust
    return total, energy, robust, count


@compiled
def _sums_away(
    values: Floats, mean: float, p10: float, p90: float, robust_mean: float
) -> tuple[float, float, float, float, float]:
    """Return the sums of distances from the mean and their powers 2 to 4, and of robust
    distances.
    """
    absolute = second = third = fourth = robust = 0.0
    for start in range(0, len(values), _BLOCK):
        a = b = c = d = e = 0.0
        for value in values[start : start + _BLOCK]:
            away = value - mean
            square = away * away
            a += abs(away)
            b += square
            c += square * away
            d += square * square
            e += np.float64(p10 <= value) * np.float64(value <= p90) * abs(value - robust_mean)
        absolute += a
        second += b
        third += c
        fourth += d
        robust += e
    return absolute, second, third, fourth, robust
