"""PyRadiomics as it comes, on the whole image: slow, and the definition of what the fast extractor
must give.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from feature_store.errors import ExtractionError
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.harmonize import HarmonizedCt
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.pyradiomics_parameters import pyradiomics_parameters
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings


def silence_pyradiomics() -> None:
    """Keep PyRadiomics from logging a line for each image and region; what matters is checked on
    the values.
    """
    # Its import sets its logger's level, so it must come first
    import radiomics  # noqa: F401, PLC0415

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)


def extract_with_pyradiomics(
    ct: HarmonizedCt, regions: Mapping[Region, BoxedMask], settings: ExtractionSettings
) -> dict[Region, FeatureVector]:
    """Extract features with `RadiomicsFeatureExtractor.execute`, one region after the other.

    Parameters
    ----------
    ct : HarmonizedCt
        In HU.
    regions : mapping of Region to BoxedMask
        On the same grid.
    settings : ExtractionSettings
        Filters, bin width and resampling.

    Returns
    -------
    dict of Region to FeatureVector
        In the order of `regions`.

    Raises
    ------
    ExtractionError
        If PyRadiomics refuses a region or leaves features out.
    """
    vectors, image = {}, ct.to_image()
    if settings.normalize and settings.normalize_over == "body":
        # PyRadiomics can normalise over the whole image only
        cast: Any = SimpleITK.Cast
        image = (cast(image, SimpleITK.sitkFloat64) - ct.mean_hu) / ct.sd_hu
        image *= settings.normalize_scale
    for region, mask in regions.items():
        try:
            values = execute(image, mask.whole(), settings)
        except ValueError as error:
            raise ExtractionError(
                "pyradiomics-refused",
                f"PyRadiomics refuses region {region}: {error}. Check the contour.",
            ) from error
        vectors[region] = FeatureVector(region, values, settings.digest)
    return vectors


def execute(
    image: Any, mask: npt.NDArray[np.bool_], settings: ExtractionSettings
) -> npt.NDArray[np.float64]:
    """Run `RadiomicsFeatureExtractor.execute` on an image and a mask of its grid.

    Parameters
    ----------
    image : SimpleITK.Image
        The image.
    mask : ndarray of bool, shape (z, y, x)
        One region.
    settings : ExtractionSettings
        Filters, bin width and resampling.

    Returns
    -------
    ndarray of float64, shape (1316,)
        In the order of `FEATURE_NAMES`; what PyRadiomics left out is not a number.
    """
    # Takes a second, and only this engine needs it whole
    import radiomics.featureextractor  # noqa: PLC0415

    silence_pyradiomics()
    parameters = pyradiomics_parameters(settings)
    # Not by the dictionary: PyRadiomics would then load its schema by what Python deprecates
    extractor = radiomics.featureextractor.RadiomicsFeatureExtractor(**parameters["setting"])
    extractor.disableAllImageTypes()
    for image_type, arguments in parameters["imageType"].items():
        extractor.enableImageTypeByName(image_type, customArgs=arguments)
    extractor.disableAllFeatures()
    extractor.enableFeaturesByName(**parameters["featureClass"])
    label: Any = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    label.CopyInformation(image)
    found = extractor.execute(image, label)
    return np.array([float(found.get(name, np.nan)) for name in FEATURE_NAMES])
