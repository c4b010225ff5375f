"""Texture features from their matrices, with the definitions of PyRadiomics 3.0.1.

Each direction of GLCM and GLRLM has its own features, and their mean over the directions is the
value (IBSI "3D, averaged"). `EPSILON` within logarithms and denominators is PyRadiomics' own, hence
not in IBSI's definitions.
"""

from __future__ import annotations

import numpy as np

from feature_store.radiomic_features.settings import FEATURES_BY_CLASS
from feature_store.radiomic_features.texture_matrices import Floats, TextureMatrices

EPSILON = float(np.spacing(1))


def glcm_features(counts: Floats, levels: Floats) -> dict[str, float]:
    """Return the 24 features of the grey-level co-occurrence matrices (IBSI LFYI, averaged over
    directions: BTW3).

    They follow IBSI, with these differences: Sum of squares is Joint variance (IBSI UR99). Idmn and
    Idn divide by the highest grey level of the region. Correlation is 1 where a direction has one
    level. MCC is no feature of IBSI: the square root of the second largest eigenvalue of Q(i, j) =
    sum over k of p(i, k) p(j, k) / (p(i) p(k) + epsilon).

    Parameters
    ----------
    counts : ndarray, shape (directions, n, n)
        Pairs, symmetric; directions without any are left out, as PyRadiomics does.
    levels : ndarray, shape (n,)
        Grey levels of the rows.
    """
    totals = counts.sum(axis=(1, 2))
    p = counts[totals > 0] / totals[totals > 0][:, None, None]
    directions, n, _ = p.shape
    if directions == 0:
        return dict.fromkeys(FEATURES_BY_CLASS["glcm"], float("nan"))
    highest = levels[-1]
    row, column = levels[:, None], levels[None, :]
    of_sum, sums = _diagonals(p, row + column, 2 * int(highest) + 1)
    of_difference, differences = _diagonals(p, np.abs(row - column), int(highest))
    px = p.sum(axis=2)
    mean = px @ levels
    away = levels - mean[:, None]
    variance = (px * away**2).sum(axis=1)
    covariance = np.einsum("ai,aij,aj->a", away, p, away)
    deviation_product = np.sqrt(variance) * np.sqrt(variance)
    correlation = np.where(deviation_product == 0, 1.0, covariance / (deviation_product + EPSILON))
    sum_away = sums - 2 * mean[:, None]
    difference_mean = of_difference @ differences
    independent = px[:, :, None] * px[:, None, :]
    log_independent = np.log2(independent + EPSILON)
    joint_entropy = _entropy(p, (1, 2))
    marginal_entropy = _entropy(px, 1)
    cross_entropy = -(p * log_independent).sum(axis=(1, 2))
    independent_entropy = -(independent * log_independent).sum(axis=(1, 2))
    information = joint_entropy - cross_entropy
    np.divide(information, marginal_entropy, out=information, where=marginal_entropy != 0)
    information[marginal_entropy == 0] = 0
    excess = np.where(
        independent_entropy == joint_entropy, 0.0, independent_entropy - joint_entropy
    )
    features = {
        "Autocorrelation": np.einsum("i,aij,j->a", levels, p, levels),  # QWB0
        "ClusterProminence": (of_sum * sum_away**4).sum(axis=1),  # AE86
        "ClusterShade": (of_sum * sum_away**3).sum(axis=1),  # 7NFM
        "ClusterTendency": (of_sum * sum_away**2).sum(axis=1),  # DG8W
        "Contrast": of_difference @ differences**2,  # ACUI
        "Correlation": correlation,  # NI2N
        "DifferenceAverage": difference_mean,  # TF7R
        "DifferenceEntropy": _entropy(of_difference, 1),  # NTRS
        "DifferenceVariance": (of_difference * (differences - difference_mean[:, None]) ** 2).sum(
            axis=1
        ),  # D3YU
        "Id": of_difference @ (1 / (1 + differences)),  # IB1Z
        "Idm": of_difference @ (1 / (1 + differences**2)),  # WF0Z
        "Idmn": of_difference @ (1 / (1 + (differences / highest) ** 2)),  # 1QCO
        "Idn": of_difference @ (1 / (1 + differences / highest)),  # NDRX
        "Imc1": information,  # R8DG
        "Imc2": np.sqrt(1 - np.exp(-2 * np.maximum(excess, 0))),  # JN9H
        "InverseVariance": of_difference[:, 1:] @ (1 / differences[1:] ** 2),  # E8JP
        "JointAverage": mean,  # 60VM
        "JointEnergy": (p**2).sum(axis=(1, 2)),  # 8ZQL
        "JointEntropy": joint_entropy,  # TU9B
        "MCC": _maximal_correlation(p, independent) if n > 1 else np.ones(1),
        "MaximumProbability": p.max(axis=(1, 2)),  # GYBY
        "SumAverage": of_sum @ sums,  # ZGXS
        "SumEntropy": _entropy(of_sum, 1),  # P6QZ
        "SumSquares": variance,  # UR99
    }
    return {name: float(values.mean()) for name, values in features.items()}


def glrlm_features(counts: Floats, levels: Floats) -> dict[str, float]:
    """Return the 16 features of the grey-level run-length matrices (IBSI TP0I, averaged over
    directions: ITBB).

    They are IBSI's: short and long run emphasis 22OV, W4KF; low and high grey level emphasis V3SW,
    G3QZ; the four combinations HTZT, GD3A, IVPO, 3KUM; non-uniformities R5YN, OVBL, W92Y, IC23;
    percentage 9ZK5; variances 8CE5, SXLW; entropy HJ9O.

    Parameters
    ----------
    counts : ndarray, shape (directions, n, runs)
        Runs by level and length from 1; without the directions that hold no line of two voxels.
    levels : ndarray, shape (n,)
        Grey levels of the rows.
    """
    lengths = np.arange(1.0, counts.shape[2] + 1)
    return _emphases(counts, levels, lengths, ("Run", "RunLength", "Run"), ("ShortRun", "LongRun"))


def glszm_features(counts: Floats, levels: Floats, sizes: Floats) -> dict[str, float]:
    """Return the 16 features of the grey-level size-zone matrix (IBSI 9SAK).

    They are IBSI's: small and large zone emphasis 5QRC, 48P8; low and high grey level emphasis
    XMSY, 5GN9; the four combinations 5RAI, HW1V, YH51, J17V; non-uniformities JNSA, Y1RO, 4JP3,
    VB3A; percentage P30P; variances BYLV, 3NSA; entropy GU8N.

    Parameters
    ----------
    counts : ndarray, shape (n, sizes)
        Zones by level and size.
    levels, sizes : ndarray, shapes (n,) and (sizes,)
        Grey levels of the rows and voxels of the columns.
    """
    return _emphases(
        counts[None], levels, sizes, ("Zone", "SizeZone", "Zone"), ("SmallArea", "LargeArea")
    )


def gldm_features(counts: Floats, levels: Floats) -> dict[str, float]:
    """Return the 14 features of the grey-level dependence matrix (IBSI REK0, coarseness 0, distance
    1).

    They are IBSI's: low and high dependence emphasis SODN, IMOQ; low and high grey level emphasis
    TL9H, OAE7; the four combinations EQ3F, JA6D, NBZI, 9QMG; non-uniformities FP8K, Z87G, OKJI;
    variances 1PR4, DNX2; entropy FCBV.

    Parameters
    ----------
    counts : ndarray, shape (n, 27)
        Voxels by level and number of dependent neighbours, plus one.
    levels : ndarray, shape (n,)
        Grey levels of the rows.
    """
    dependences = np.arange(1.0, counts.shape[1] + 1)
    names = ("", "Dependence", "Dependence")
    found = _emphases(
        counts[None], levels, dependences, names, ("SmallDependence", "LargeDependence")
    )
    del (
        found["GrayLevelNonUniformityNormalized"],
        found["DependencePercentage"],
    )  # Uniformity, and always 1
    return found


def _emphases(
    counts: Floats,
    levels: Floats,
    sizes: Floats,
    names: tuple[str, str, str],
    ends: tuple[str, str],
) -> dict[str, float]:
    """Return the features that GLRLM, GLSZM and GLDM share, the means over the first axis of
    `counts`.
    """
    thing, non_uniformity, spread = names
    small, large = ends
    total = counts.sum(axis=(1, 2))
    by_level, by_size = counts.sum(axis=2), counts.sum(axis=1)
    level_weights = np.stack([1 / levels**2, levels**2])
    size_weights = np.stack([1 / sizes**2, sizes**2])
    low, high = (by_level @ level_weights.T / total[:, None]).T
    short, long = (by_size @ size_weights.T / total[:, None]).T
    joint = np.moveaxis(level_weights @ counts @ size_weights.T, 0, 2) / total
    level_squares, size_squares = (by_level**2).sum(axis=1), (by_size**2).sum(axis=1)
    features = {
        f"{small}Emphasis": short,
        f"{large}Emphasis": long,
        f"LowGrayLevel{thing}Emphasis": low,
        f"HighGrayLevel{thing}Emphasis": high,
        f"{small}LowGrayLevelEmphasis": joint[0, 0],
        f"{small}HighGrayLevelEmphasis": joint[1, 0],
        f"{large}LowGrayLevelEmphasis": joint[0, 1],
        f"{large}HighGrayLevelEmphasis": joint[1, 1],
        "GrayLevelNonUniformity": level_squares / total,
        "GrayLevelNonUniformityNormalized": level_squares / total**2,
        f"{non_uniformity}NonUniformity": size_squares / total,
        f"{non_uniformity}NonUniformityNormalized": size_squares / total**2,
        f"{spread}Percentage": total / (by_size @ sizes),
        "GrayLevelVariance": _variance(by_level / total[:, None], levels),
        f"{spread}Variance": _variance(by_size / total[:, None], sizes),
        f"{spread}Entropy": _entropy(counts / total[:, None, None], (1, 2)),
    }
    return {
        name: float(values.mean()) if values.size else float("nan")
        for name, values in features.items()
    }


def ngtdm_features(counts: Floats, sums: Floats, levels: Floats) -> dict[str, float]:
    """Return the 5 features of the neighbourhood grey tone difference matrix (IBSI IPET).

    They are IBSI's (Coarseness QCDE, Contrast 65HE, Busyness NQ30, Complexity HDEZ, Strength 1X9X),
    with voxels that have no neighbour in the region counted, at a difference of 0.

    Parameters
    ----------
    counts, sums : ndarray, shape (n,)
        Voxels of each level and their summed differences.
    levels : ndarray, shape (n,)
        The levels.
    """
    voxels, n = counts.sum(), len(levels)
    p = counts / voxels
    weighted = p * sums
    coarse = weighted.sum()
    apart = np.abs(levels[:, None] - levels[None, :])
    either = p[:, None] + p[None, :]
    contrast = (p @ apart**2 @ p) * sums.sum() / voxels
    busy = np.abs((levels * p)[:, None] - (levels * p)[None, :]).sum()
    strength = (either * apart**2).sum()
    return {
        "Busyness": float(coarse / busy) if busy else 0.0,
        "Coarseness": float(1 / coarse) if coarse else 1e6,
        "Complexity": float(
            (apart * (weighted[:, None] + weighted[None, :]) / either).sum() / voxels
        ),
        "Contrast": float(contrast / (n * (n - 1))) if n > 1 else 0.0,
        "Strength": float(strength / sums.sum()) if sums.sum() else 0.0,
    }


def texture_features(matrices: TextureMatrices) -> dict[str, dict[str, float]]:
    """Return the 75 texture features by PyRadiomics' names of class and feature."""
    levels = matrices.levels
    return {
        "glcm": glcm_features(matrices.glcm, levels),
        "gldm": gldm_features(matrices.gldm, levels),
        "glrlm": glrlm_features(matrices.glrlm, levels),
        "glszm": glszm_features(matrices.glszm, levels, matrices.zone_sizes),
        "ngtdm": ngtdm_features(matrices.ngtdm_counts, matrices.ngtdm_sums, levels),
    }


def _diagonals(p: Floats, of: Floats, size: int) -> tuple[Floats, Floats]:
    """Sum `p` (directions, n, n) over equal values of `of` (n, n); return (directions, size) and 0
    ... size - 1.
    """
    keys = np.arange(len(p))[:, None, None] * size + of.astype(np.int64)
    sums: Floats = np.bincount(keys.ravel(), weights=p.ravel(), minlength=len(p) * size).astype(
        np.float64
    )
    return sums.reshape(len(p), size), np.arange(size, dtype=np.float64)


def _entropy(p: Floats, axis: int | tuple[int, ...]) -> Floats:
    result: Floats = -(p * np.log2(p + EPSILON)).sum(axis=axis)
    return result


def _variance(p: Floats, values: Floats) -> Floats:
    result: Floats = (p * (values - (p @ values)[:, None]) ** 2).sum(axis=1)
    return result


def _maximal_correlation(p: Floats, independent: Floats) -> Floats:
    """Return the second largest absolute eigenvalue of p / sqrt(p(i) p(j) + epsilon), per
    direction.

    Its square is the eigenvalue of Q that PyRadiomics asks for, up to the square of epsilon / (p(i)
    p(j)).
    """
    eigenvalues = np.abs(np.linalg.eigvalsh(p / np.sqrt(independent + EPSILON)))
    second: Floats = np.sort(eigenvalues, axis=1)[:, -2]
    return second
