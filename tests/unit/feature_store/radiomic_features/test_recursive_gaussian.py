"""The recursive Gaussian is ITK's to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

from feature_store.imaging.boxed_mask import Box
from feature_store.radiomic_features.recursive_gaussian import laplacian_of_gaussian

SPACING_MM = 1.5


def box(*bounds: tuple[int, int]) -> Box:
    z, y, x = (slice(*pair) for pair in bounds)
    return z, y, x


def by_itk(values: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float32]:
    image: Any = SimpleITK.GetImageFromArray(values)
    image.SetSpacing((SPACING_MM,) * 3)
    make_filter: Any = SimpleITK.LaplacianRecursiveGaussianImageFilter
    laplacian = make_filter()
    laplacian.SetSigma(sigma)
    laplacian.SetNormalizeAcrossScale(True)
    return np.asarray(SimpleITK.GetArrayFromImage(laplacian.Execute(image)))


@pytest.mark.parametrize("sigma", [1.0, 3.0, 5.0])
@pytest.mark.parametrize(
    "inner",
    [
        box((10, 18), (9, 24), (14, 20)),
        box((0, 2), (30, 33), (0, 36)),
        box((28, 30), (0, 3), (33, 36)),
        box((0, 30), (0, 33), (0, 36)),
    ],
    ids=["inside", "at faces", "at a corner", "whole"],
)
def test_the_laplacian_within_a_box(sigma: float, inner: Box) -> None:
    values = np.random.default_rng(4).normal(0, 100, (30, 33, 36))
    found = laplacian_of_gaussian(values, box((0, 30), (0, 33), (0, 36)), inner, SPACING_MM, sigma)
    np.testing.assert_array_equal(found, by_itk(values, sigma)[inner])


@pytest.mark.parametrize("shape", [(4, 5, 6), (6, 4, 40), (33, 65, 4)])
def test_short_lines(shape: tuple[int, int, int]) -> None:
    values = np.random.default_rng(5).normal(0, 100, shape)
    whole = box(*((0, n) for n in shape))
    np.testing.assert_array_equal(
        laplacian_of_gaussian(values, whole, whole, SPACING_MM, 2.0), by_itk(values, 2.0)
    )


def test_only_the_padded_box_is_seen() -> None:
    values = np.random.default_rng(6).normal(0, 100, (20, 21, 40))
    padded, inner = box((3, 17), (2, 20), (1, 38)), box((4, 9), (0, 18), (5, 30))
    expected = by_itk(np.ascontiguousarray(values[padded]), 1.0)[inner]
    np.testing.assert_array_equal(
        laplacian_of_gaussian(values, padded, inner, SPACING_MM, 1.0), expected
    )
