"""Sub-bands have the bits of PyWavelets."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import pywt

from feature_store.radiomic_features.settings import WAVELET_BANDS
from feature_store.radiomic_features.stationary_wavelet import REACH, sub_bands


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(8, 10, 12), (20, 8, 46)])
def test_sub_bands_have_the_bits_of_pywavelets(
    shape: tuple[int, int, int], precision: type[np.floating]
) -> None:
    values = np.random.default_rng(3).normal(0, 100, shape).astype(precision)
    expected = pywt.swtn(values, pywt.Wavelet("coif1"), level=1, axes=(2, 1, 0))[0]
    inner = (slice(REACH, -REACH),) * 3
    found = dict(zip(WAVELET_BANDS, sub_bands(values, "coif1", WAVELET_BANDS), strict=True))
    assert {image.dtype for image in found.values()} == {np.dtype(precision)}
    for name, image in found.items():
        theirs = expected[name.replace("L", "a").replace("H", "d")][inner]
        np.testing.assert_array_equal(image, theirs, err_msg=name)


def test_any_order_of_names_has_the_same_values() -> None:
    values = np.random.default_rng(4).normal(0, 100, (9, 11, 13))
    straight = dict(zip(WAVELET_BANDS, sub_bands(values, "coif1", WAVELET_BANDS), strict=True))
    names = ("HHH", "LLL", "LHL")
    for name, image in zip(names, sub_bands(values, "coif1", names), strict=True):
        np.testing.assert_array_equal(image, straight[name])


def test_an_image_goes_when_nothing_is_made_of_it_any_more() -> None:
    values = np.random.default_rng(5).normal(0, 100, (9, 11, 13))
    kept = weakref.ref(values)
    gc.disable()  # what goes must not wait for the collector
    try:
        bands = sub_bands(values, "coif1", WAVELET_BANDS)
        del values
        before: list[weakref.ref[np.ndarray]] = []
        for image in bands:
            assert kept() is None
            assert all(one() is None for one in before)
            before = [weakref.ref(image)]
            del image
    finally:
        gc.enable()
