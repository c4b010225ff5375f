"""The original and the 13 filtered images, computed only where the regions are, equal to filtering
the whole image.

A filter's value at a voxel depends on what is near: the coif1 wavelet reaches 3 voxels; the
recursive Gaussian forgets what is 14 sigma away to about the precision of its float32 result. So
each filter sees the regions' box with that margin. Only the mean and standard deviation of the
normalisation come from the whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.errors import ExtractionError
from feature_store.imaging.boxed_mask import Box, relative, with_margin
from feature_store.imaging.harmonize import HarmonizedCt, HarmonizedGrid
from feature_store.radiomic_features.normalisation import Normalisation
from feature_store.radiomic_features.recursive_gaussian import laplacian_of_gaussian
from feature_store.radiomic_features.settings import WAVELET_BANDS, ExtractionSettings
from feature_store.radiomic_features.stationary_wavelet import REACH, sub_bands

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating[Any]]
Images = Callable[[], Iterator[Values]]
"""Makes some images, one after the other."""

_LOG_REACH_SIGMAS = 14.0
_LEAST_SD = 1e-9
"""Of the size of the mean: less is the rounding of a constant image."""


def filtered_images(ct: HarmonizedCt, box: Box, settings: ExtractionSettings) -> list[Images]:
    """Return what makes the original and the filtered images within a box, in the order of
    `IMAGE_NAMES`.

    Parameters
    ----------
    ct : HarmonizedCt
        In HU.
    box : tuple of 3 slice
        The box that holds all regions, along (z, y, x).
    settings : ExtractionSettings
        Normalisation and filters.

    Returns
    -------
    list of callable
        Each makes one image, or all sub-bands of the wavelet one after the other, independent of
        the others: ndarrays with the shape of the box, float64, for the LoG images (and without
        normalisation) float32.

    Raises
    ------
    ExtractionError
        If the image is constant, has a value that is not finite, or is too thin for the largest
        LoG.
    """
    _check_size(ct, settings)
    if not (np.isfinite(ct.sd_hu) and ct.sd_hu > _LEAST_SD * max(abs(ct.mean_hu), 1.0)):
        raise ExtractionError(
            "flat-image",
            f"The harmonised CT has mean {ct.mean_hu:g} and standard deviation {ct.sd_hu:g} HU: "
            "expected finite values that differ. Check that the CT holds an image.",
        )

    normalisation = Normalisation.of(ct, settings)
    reach = _reaches(settings, ct.spacing_mm)
    seen = with_margin(box, max(reach.values()), ct.shape)
    hu = ct.values(*seen)

    def image_of(found: Singles) -> Floats | Singles:
        # PyRadiomics' image is in single precision until it is normalised.
        return normalisation.of_values(found) if settings.normalize else np.ascontiguousarray(found)

    def original() -> Iterator[Values]:
        yield image_of(hu[relative(box, seen)])

    def bands() -> Iterator[Values]:
        at_a_face = any(
            part.start < REACH or part.stop + REACH > n
            for part, n in zip(box, ct.shape, strict=True)
        )
        around = relative(with_margin(box, REACH, ct.shape), seen)
        image = image_of(_periodic(ct, box) if at_a_face else hu[around])
        return sub_bands(image, settings.wavelet, WAVELET_BANDS)

    def laplacian(sigma: float) -> Iterator[Values]:
        padded = with_margin(box, reach[sigma], ct.shape)
        within, inner = relative(padded, seen), relative(box, padded)
        yield laplacian_of_gaussian(hu, within, inner, ct.spacing_mm, sigma, normalisation)

    return [original, bands, *(partial(laplacian, sigma) for sigma in settings.log_sigmas_mm)]


def near(box: Box, settings: ExtractionSettings, grid: HarmonizedGrid) -> Box:
    """Return the box of a grid on whose values the filtered images within a box depend.

    Parameters
    ----------
    box : tuple of 3 slice
        The box that holds all regions, along (z, y, x).
    settings : ExtractionSettings
        Which filters.
    grid : HarmonizedGrid
        The grid.

    Returns
    -------
    tuple of 3 slice
        Along (z, y, x): all of an axis where it reaches a face, since wavelets go on at the other.
    """
    reach = max(*_reaches(settings, grid.spacing_mm).values(), REACH + 1)
    z, y, x = (
        slice(part.start - reach, part.stop + reach)
        if reach <= part.start and part.stop + reach <= n
        else slice(0, n)
        for n, part in zip(grid.shape, box, strict=True)
    )
    return z, y, x


def _reaches(settings: ExtractionSettings, spacing_mm: float) -> dict[float, int]:
    """Return the voxels that each LoG looks at around a region, by sigma in mm."""
    return {
        sigma: int(np.ceil(_LOG_REACH_SIGMAS * sigma / spacing_mm))
        for sigma in settings.log_sigmas_mm
    }


def _check_size(ct: HarmonizedCt, settings: ExtractionSettings) -> None:
    """Raise `ExtractionError` if an image is too thin for a LoG, which PyRadiomics would omit."""
    least = max(4, int(np.ceil(max(settings.log_sigmas_mm) / ct.spacing_mm)) + 1)
    if min(ct.shape) < least:
        raise ExtractionError(
            "image-too-thin",
            f"The harmonised CT has {ct.shape} voxels (z, y, x): expected at least {least} along "
            f"each axis for a Laplacian of Gaussian of {max(settings.log_sigmas_mm):g} mm. Send "
            "the whole series.",
        )


def _periodic(ct: HarmonizedCt, box: Box) -> Singles:
    """Return the box with the wavelet's margin, continued at the faces as PyRadiomics does.

    PyRadiomics appends the first plane where a size is odd and transforms periodically.
    """
    lines = []
    for n, part in zip(ct.shape, box, strict=True):
        at = np.arange(part.start - REACH, part.stop + REACH) % (n + n % 2)
        lines.append(np.where(at == n, 0, at))
    z, y, x = lines
    return ct.values(z, y, x)
