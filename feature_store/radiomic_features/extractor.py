"""The default engine: the values of PyRadiomics on the whole image, from crops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.errors import ExtractionError
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.filters import Values, filtered_images
from feature_store.radiomic_features.first_order import first_order_features, grey_levels
from feature_store.radiomic_features.recursive_gaussian import Box
from feature_store.radiomic_features.settings import FEATURE_NAMES, FEATURES_BY_CLASS, ExtractionSettings
from feature_store.radiomic_features.shape import shape_features
from feature_store.radiomic_features.texture import texture_features
from feature_store.radiomic_features.texture_matrices import TextureRegion, texture_matrices
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
    spacing_mm: tuple[float, float, float] = image.GetSpacing()
    if not np.allclose(spacing_mm, settings.spacing_mm, atol=1e-6):
        raise ExtractionError(
            "spacing",
            f"The CT has a spacing of {spacing_mm} mm: expected {settings.spacing_mm:g} mm. Harmonise it first.",
        )
    common = _union(list(boxes.values()))
    places = {region: _Place.of(mask, boxes[region], common) for region, mask in regions.items()}
    found = {
        region: _in_order("shape", shape_features(mask[boxes[region]], spacing_mm)) for region, mask in regions.items()
    }
    volume_mm3 = float(np.prod(spacing_mm))
    for _, values in filtered_images(image, common, settings):
        flat = values.ravel()
        for region, place in places.items():
            found[region].extend(_intensity_features(flat[place.voxels], place, settings.bin_width, volume_mm3))
    return {region: FeatureVector(region, np.array(values), settings.digest) for region, values in found.items()}


@dataclass(frozen=True, eq=False)
class _Place:
    """A region's voxels: their places in the common box, and their neighbourhood."""

    voxels: npt.NDArray[np.intp]
    texture: TextureRegion

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_], box: Box, common: Box) -> _Place:
        return cls(np.flatnonzero(mask[common]), TextureRegion.of(mask[box]))


def _intensity_features(inside: Values, place: _Place, bin_width: float, volume_mm3: float) -> list[float]:
    """Return the 93 first-order and texture features of a region of one image, in the order of `FEATURES_BY_CLASS`."""
    levels = grey_levels(inside, bin_width)
    found = _in_order("firstorder", first_order_features(inside, levels, volume_mm3))
    for group, features in texture_features(texture_matrices(place.texture, levels)).items():
        found += _in_order(group, features)
    return found


def _in_order(group: str, features: Mapping[str, float]) -> list[float]:
    return [features[name] for name in FEATURES_BY_CLASS[group]]


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
