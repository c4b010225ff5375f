"""The default engine: the values of PyRadiomics on the whole image, from crops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.errors import ExtractionError
from feature_store.radiomic_features.feature_classes import intensity_features, shape_features
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.filters import Box, filtered_images
from feature_store.radiomic_features.pyradiomics_engine import pyradiomics_settings, silence_pyradiomics
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.regions import LEAST_VOXELS, Region, bounding_box


def extract(
    image: Any, regions: Mapping[Region, npt.NDArray[np.bool_]], settings: ExtractionSettings
) -> dict[Region, FeatureVector]:
    """Extract the 1316 features of each region.

    The values are those of `extract_with_pyradiomics` (relative 1e-6, absolute 1e-5 below 1): each image is filtered
    once for all regions, on their common box with the filter's reach around it, and each region is binned once.

    Parameters
    ----------
    image : SimpleITK.Image
        CT in HU, float32, on the harmonised grid.
    regions : mapping of Region to ndarray of bool, shape (z, y, x)
        Masks on the same grid.
    settings : ExtractionSettings
        How.

    Returns
    -------
    dict of Region to FeatureVector
        In the order of `regions`.

    Raises
    ------
    ExtractionError
        If the image is constant, not finite or too thin, a region is degenerate, or a feature is not finite.
    """
    if not regions:
        return {}
    shape = tuple(reversed(image.GetSize()))
    boxes = {region: _checked_box(region, mask, shape) for region, mask in regions.items()}
    spacing_mm: tuple[float, ...] = image.GetSpacing()
    if not np.allclose(spacing_mm, settings.spacing_mm, atol=1e-6):
        raise ExtractionError(
            "spacing",
            f"The CT has a spacing of {spacing_mm} mm: expected {settings.spacing_mm:g} mm. Harmonise it first.",
        )
    silence_pyradiomics()
    options = pyradiomics_settings(settings)
    common = _union(list(boxes.values()))
    cropped = {region: mask[boxes[region]] for region, mask in regions.items()}
    found = {region: shape_features(mask, spacing_mm) for region, mask in cropped.items()}
    for _, values in filtered_images(image, common, settings):
        for region, mask in cropped.items():
            part = values[_within(boxes[region], common)]
            found[region].extend(intensity_features(part, mask, spacing_mm, options))
    return {region: FeatureVector(region, np.array(values), settings.digest) for region, values in found.items()}


def _checked_box(region: Region, mask: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> Box:
    voxels = int(np.count_nonzero(mask))
    if mask.shape != shape or voxels < LEAST_VOXELS:
        raise ExtractionError(
            "degenerate-region",
            f"Region {region} has {voxels} voxel(s) on a grid of {mask.shape}: expected at least {LEAST_VOXELS} on the "
            f"image's grid {shape}. Check the contour.",
        )
    box = bounding_box(mask)
    extent = tuple(part.stop - part.start for part in box)
    if min(extent) < 2:
        raise ExtractionError(
            "flat-region",
            f"Region {region} extends over {extent} voxels (z, y, x): expected at least 2 along each axis, since "
            f"{len(FEATURE_NAMES)} features need a volume. Check that the contour covers more than one slice.",
        )
    return box


def _union(boxes: list[Box]) -> Box:
    z, y, x = (slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3))
    return z, y, x


def _within(box: Box, outer: Box) -> Box:
    z, y, x = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return z, y, x
