"""The default engine: the values of PyRadiomics on the whole image, from crops."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from feature_store.cores import side_by_side
from feature_store.errors import ExtractionError
from feature_store.imaging.boxed_mask import Box, BoxedMask, union
from feature_store.imaging.harmonize import HarmonizedCt
from feature_store.imaging.region_rules import LEAST_VOXELS
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector, require_finite
from feature_store.radiomic_features.filters import Images, Values, filtered_images
from feature_store.radiomic_features.first_order import first_order_features
from feature_store.radiomic_features.grey_levels import grey_levels
from feature_store.radiomic_features.settings import (
    FEATURE_NAMES,
    FEATURES_BY_CLASS,
    IMAGE_NAMES,
    WAVELET_BANDS,
    ExtractionSettings,
)
from feature_store.radiomic_features.shape import shape_features
from feature_store.radiomic_features.texture import texture_features
from feature_store.radiomic_features.texture_matrices import TextureRegion, texture_matrices
from feature_store.wording import counted


def extract(
    ct: HarmonizedCt, regions: Mapping[Region, BoxedMask], settings: ExtractionSettings
) -> dict[Region, FeatureVector]:
    """Extract the 1316 features of each region.

    The values are those of `extract_with_pyradiomics` (relative 1e-6, absolute 1e-5 below 1): each
    image is filtered once for all regions, on their common box with the filter's reach around it,
    and each region is binned once.

    Parameters
    ----------
    ct : HarmonizedCt
        In HU.
    regions : mapping of Region to BoxedMask
        On the same grid.
    settings : ExtractionSettings
        Filters, bin width, resampling and the engine that computes.

    Returns
    -------
    dict of Region to FeatureVector
        In the order of `regions`.

    Raises
    ------
    ExtractionError
        If the image is constant, not finite or too thin, a region is degenerate, or a feature is
        not finite.
    """
    if not regions:
        return {}
    if abs(ct.spacing_mm - settings.spacing_mm) > 1e-6:
        raise ExtractionError(
            "spacing",
            f"The CT has a spacing of {ct.spacing_mm:g} mm: expected {settings.spacing_mm:g} mm. "
            "Harmonise it first.",
        )
    masks = {region: _checked(region, mask, ct.shape) for region, mask in regions.items()}
    common = union(*(mask.box for mask in masks.values()))
    places = {region: _Place.of(mask, common) for region, mask in masks.items()}
    spacing_mm = (ct.spacing_mm,) * 3

    def of_shape(region: Region) -> dict[Region, list[float]]:
        return {region: _in_order("shape", shape_features(masks[region].voxels, spacing_mm))}

    def of_images(images: Images) -> dict[Region, list[float]]:
        features: dict[Region, list[float]] = {region: [] for region in places}
        for values in images():
            flat = values.ravel()
            for region, place in places.items():
                features[region] += _intensity_features(flat[place.voxels], place, settings)
        return features

    todo = [
        *(partial(of_shape, region) for region in masks),
        *(partial(of_images, images) for images in filtered_images(ct, common, settings)),
    ]
    bands = len(masks) + 1  # after the shapes and the original image; eight images in one
    longest_first = sorted(range(len(todo)), key=lambda place: (place != bands, -place))
    made = side_by_side(lambda place: todo[place](), longest_first)
    found: dict[Region, list[float]] = {region: [] for region in masks}
    for _, features in sorted(zip(longest_first, made, strict=True), key=lambda one: one[0]):
        for region, values in features.items():
            found[region] += values
    return {
        region: FeatureVector(region, np.array(values), settings.digest)
        for region, values in found.items()
    }


@dataclass(frozen=True, eq=False)
class FilteredCt:
    """Images of a CT within a box, kept so that many contours can be measured in them; `extract`
    keeps none.

    Parameters
    ----------
    ct : HarmonizedCt
        The CT.
    box : tuple of 3 slice
        Where the images lie on its grid, along (z, y, x).
    images : mapping of str to ndarray, each of the shape of the box
        By name, in the order of `IMAGE_NAMES`.
    settings : ExtractionSettings
        How they were made.
    """

    ct: HarmonizedCt
    box: Box
    images: Mapping[str, Values]
    settings: ExtractionSettings

    @classmethod
    def within(
        cls, ct: HarmonizedCt, box: Box, settings: ExtractionSettings, names: Collection[str]
    ) -> FilteredCt:
        """Filter a CT once for all regions within a box.

        Parameters
        ----------
        ct, box, settings
            As of the class.
        names : collection of str
            The images that are wanted.

        Raises
        ------
        ExtractionError
            As `extract`, of the image.
        """
        original, *others = IMAGE_NAMES
        bands, logs = others[: len(WAVELET_BANDS)], others[len(WAVELET_BANDS) :]
        made_at_once = ([original], bands, *([name] for name in logs))

        def made(at_once: Sequence[str], images: Images) -> dict[str, Values]:
            found = zip(at_once, images(), strict=True)
            return {name: np.ascontiguousarray(one) for name, one in found if name in names}

        todo = [
            partial(made, at_once, images)
            for at_once, images in zip(
                made_at_once, filtered_images(ct, box, settings), strict=True
            )
            if not set(names).isdisjoint(at_once)
        ]
        kept = {
            name: image
            for found in side_by_side(lambda make: make(), todo)
            for name, image in found.items()
        }
        return cls(ct, box, kept, settings)

    def measure(self, region: Region, mask: BoxedMask, wanted: Collection[str]) -> dict[str, float]:
        """Return features of a region within the box, equal to those of `extract`.

        Parameters
        ----------
        region : Region
            What it is called in sentences.
        mask : BoxedMask
            Where it is.
        wanted : collection of str
            Names out of `FEATURE_NAMES`, of images that are kept.

        Raises
        ------
        ExtractionError
            If the region is degenerate, or a feature that is wanted is not finite.
        """
        mask = _checked(region, mask, self.ct.shape)
        place = _Place.of(mask, self.box)
        groups = {tuple(name.rsplit("_", 2)[:2]) for name in wanted}
        found: dict[str, float] = {}
        if (IMAGE_NAMES[0], "shape") in groups:
            shape = shape_features(mask.voxels, (self.ct.spacing_mm,) * 3)
            found.update(_named(IMAGE_NAMES[0], "shape", shape))
        for image, values in self.images.items():
            of_image = {group for name, group in groups if name == image} - {"shape"}
            if not of_image:
                continue
            inside = values.ravel()[place.voxels]
            levels = grey_levels(inside, self.settings.bin_width)
            if "firstorder" in of_image:
                first = first_order_features(inside, levels, self.settings.spacing_mm**3)
                found.update(_named(image, "firstorder", first))
            if of_image - {"firstorder"}:
                textures = texture_features(texture_matrices(place.texture, levels))
                for group, features in textures.items():
                    found.update(_named(image, group, features))
        asked_for = {name: found[name] for name in wanted}
        require_finite(region, asked_for)
        return asked_for


@dataclass(frozen=True, eq=False)
class _Place:
    """A region's voxels: their places in the common box, and their neighbourhood."""

    voxels: npt.NDArray[np.intp]
    texture: TextureRegion

    @classmethod
    def of(cls, mask: BoxedMask, common: Box) -> _Place:
        return cls(np.flatnonzero(mask.cut(common)), TextureRegion.of(mask.voxels))


def _intensity_features(inside: Values, place: _Place, settings: ExtractionSettings) -> list[float]:
    """Return the 93 first-order and texture features of a region of one image, in the order of
    `FEATURES_BY_CLASS`.
    """
    levels = grey_levels(inside, settings.bin_width)
    found = _in_order("firstorder", first_order_features(inside, levels, settings.spacing_mm**3))
    for group, features in texture_features(texture_matrices(place.texture, levels)).items():
        found += _in_order(group, features)
    return found


def _in_order(group: str, features: Mapping[str, float]) -> list[float]:
    return [features[name] for name in FEATURES_BY_CLASS[group]]


def _named(image: str, group: str, features: Mapping[str, float]) -> dict[str, float]:
    """Return features by their whole names."""
    return {f"{image}_{group}_{feature}": value for feature, value in features.items()}


def _checked(region: Region, mask: BoxedMask, grid_shape: tuple[int, int, int]) -> BoxedMask:
    """Return the mask within its bounding box, or say why it has no features."""
    if mask.grid_shape != grid_shape or mask.count < LEAST_VOXELS:
        raise ExtractionError(
            "degenerate-region",
            f"Region {region} has {counted(mask.count, 'voxel')} on a grid of {mask.grid_shape}: "
            "expected "
            f"at least {LEAST_VOXELS} on the CT's grid {grid_shape}. Check the contour.",
        )
    mask = mask.tight()
    if sum(n > 1 for n in mask.voxels.shape) < 2:
        raise ExtractionError(
            "flat-region",
            f"Region {region} extends over {mask.voxels.shape} voxels (z, y, x), a line: expected "
            f"at least 2 along two axes, since {len(FEATURE_NAMES)} features need "
            "neighbours. Check the contour.",
        )
    return mask
