"""The original and the 13 filtered images, computed only where the regions are, equal to filtering the whole image.

A filter's value at a voxel depends on what is near: the coif1 wavelet reaches 3 voxels; the recursive Gaussian forgets
what is 14 sigma away to about the precision of its float32 result. So each filter sees the regions' box with that
margin. Only the mean and standard deviation of the normalisation come from the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from feature_store.errors import ExtractionError
from feature_store.radiomic_features.recursive_gaussian import Box, laplacian_of_gaussian
from feature_store.radiomic_features.settings import WAVELET_BANDS, ExtractionSettings, image_names

Values = npt.NDArray[np.floating[Any]]

_WAVELET_REACH = 3
_LOG_REACH_SIGMAS = 14.0


def filtered_images(image: Any, box: Box, settings: ExtractionSettings) -> Iterator[tuple[str, Values]]:
    """Yield the original and the filtered images within a box.

    Parameters
    ----------
    image : SimpleITK.Image
        CT in HU.
    box : tuple of 3 slice
        The box that holds all regions, along (z, y, x).
    settings : ExtractionSettings
        Normalisation and filters.

    Yields
    ------
    tuple of str and ndarray, shape of the box
        PyRadiomics' name of the image, and its values: float64, for the LoG images (and without normalisation) float32.

    Raises
    ------
    ExtractionError
        If the image is constant, has a value that is not finite, or is too thin for the largest LoG.
    """
    whole: npt.NDArray[np.float32] = SimpleITK.GetArrayViewFromImage(image)
    spacing_mm: tuple[float, float, float] = image.GetSpacing()
    check_size(whole.shape, spacing_mm, settings)
    shift, scale = _normalisation(whole)

    def normalised(part: npt.NDArray[np.float32]) -> Values:
        if not settings.normalize:
            return part
        # The order of operations is ITK's, so that the values are the same to the last bit.
        return (part.astype(np.float64) + shift) * scale * settings.normalize_scale

    names = iter(image_names(settings))
    yield next(names), normalised(whole[box])
    bands = _wavelet(normalised(_periodic(whole, box)), box, settings.wavelet)
    for band in WAVELET_BANDS:
        yield next(names), bands.pop(band)
    widest, _ = _with_margin(whole.shape, box, _log_reach(max(settings.log_sigmas_mm), spacing_mm))
    values = normalised(whole[widest]).astype(np.float64, order="C", copy=False)
    within = _relative(box, widest)
    for sigma in settings.log_sigmas_mm:
        padded, inner = _with_margin(values.shape, within, _log_reach(sigma, spacing_mm))
        yield next(names), laplacian_of_gaussian(values, padded, inner, spacing_mm, sigma)


def check_size(shape: tuple[int, ...], spacing_mm: tuple[float, ...], settings: ExtractionSettings) -> None:
    """Raise `ExtractionError` if an image of `shape` (z, y, x) is too thin for a LoG, which PyRadiomics would omit."""
    least = [max(4, int(np.ceil(max(settings.log_sigmas_mm) / s)) + 1) for s in reversed(spacing_mm)]
    if any(found < needed for found, needed in zip(shape, least, strict=True)):
        raise ExtractionError(
            "image-too-thin",
            f"The harmonised CT has {shape} voxels (z, y, x): expected at least {tuple(least)} for a Laplacian of "
            f"Gaussian of {max(settings.log_sigmas_mm):g} mm. Send the whole series.",
        )


def _normalisation(whole: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return shift and scale of the normalisation by the mean and standard deviation (ddof 1) of the whole image."""
    mean = float(np.mean([plane.mean(dtype=np.float64) for plane in whole]))
    squares = [float(np.square(plane.astype(np.float64) - mean).sum()) for plane in whole]
    deviation = float(np.sqrt(np.sum(squares) / (whole.size - 1)))
    if not np.isfinite(deviation) or deviation == 0:
        raise ExtractionError(
            "flat-image",
            f"The harmonised CT has mean {mean:g} and standard deviation {deviation:g} HU: expected finite values that "
            "differ. Check that the CT holds an image.",
        )
    return -mean, 1.0 / deviation


def _periodic(whole: npt.NDArray[np.float32], box: Box) -> npt.NDArray[np.float32]:
    """Return the box with the wavelet's margin, of even size, continued at the faces as PyRadiomics does.

    PyRadiomics appends the first plane where a size is odd and transforms periodically.
    """
    lines = []
    for n, part in zip(whole.shape, box, strict=True):
        period = n + n % 2
        stop = part.stop + _WAVELET_REACH
        at = np.arange(part.start - _WAVELET_REACH, stop + (stop - part.start + _WAVELET_REACH) % 2) % period
        lines.append(np.where(at == n, 0, at))
    return whole[np.ix_(*lines)]


def _wavelet(values: Values, box: Box, wavelet: str) -> dict[str, Values]:
    """Return the eight sub-bands within the box; `values` has the margin of `_periodic`."""
    import pywt  # noqa: PLC0415 - only where wavelets are asked for

    bands = pywt.swtn(values, pywt.Wavelet(wavelet), level=1, start_level=0, axes=(2, 1, 0))[0]
    inner = tuple(slice(_WAVELET_REACH, _WAVELET_REACH + part.stop - part.start) for part in box)
    return {name.replace("a", "L").replace("d", "H"): band[inner] for name, band in bands.items()}


def _log_reach(sigma_mm: float, spacing_mm: tuple[float, ...]) -> list[float]:
    return [_LOG_REACH_SIGMAS * sigma_mm / s for s in reversed(spacing_mm)]


def _with_margin(shape: tuple[int, ...], box: Box, margins: list[float]) -> tuple[Box, Box]:
    """Return the box enlarged by the margins as far as the image goes, and where the box lies in it."""
    starts = [max(0, part.start - int(np.ceil(m))) for part, m in zip(box, margins, strict=True)]
    stops = [min(n, part.stop + int(np.ceil(m))) for part, m, n in zip(box, margins, shape, strict=True)]
    padded = (slice(starts[0], stops[0]), slice(starts[1], stops[1]), slice(starts[2], stops[2]))
    return padded, _relative(box, padded)


def _relative(box: Box, outer: Box) -> Box:
    z, y, x = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return z, y, x
