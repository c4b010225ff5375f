"""The same features from PyRadiomics as it comes: its parameters, and the file that it reads them
from.
"""

from __future__ import annotations

from typing import Any

import yaml

from feature_store.radiomic_features.settings import FEATURES_BY_CLASS, ExtractionSettings

_HEAD = """\
# PyRadiomics parameter file: RadiomicsFeatureExtractor(THIS_FILE).execute(IMAGE, MASK)
# Definitions of {engine}; extraction settings
# {digest}
# IMAGE: the whole CT in HU, by cubic B-spline on voxels of {spacing:g} mm, since normalisation and
# filters see all of it. Nothing is resampled here.
# MASK: one region on the same grid, by nearest neighbour, with label 1.
"""
_OVER_BODY = """\
# ATTENTION, normalize_over = "body": PyRadiomics can take mean and standard deviation of the whole
# image only, so its own normalisation is off below. Give it as IMAGE the CT after this step:
#   (HU - mean) / sd * {scale:g}
# mean and sd (divided by n - 1) are those of the voxels of the body, which are the patient and what
# the skin encloses, lungs too, and neither air nor couch. From image and mask alone this cannot be
# repeated.
"""
_RING_TISSUE = """\
# ATTENTION, ring_tissue = "{tissue}": the mask of a ring holds only what of it is {tissue}, not all
# voxels within its width of the GTV. A ring made by dilation alone has other features.
"""


def pyradiomics_parameters(settings: ExtractionSettings) -> dict[str, dict[str, Any]]:
    """Return PyRadiomics' parameters for an image and a mask that are harmonised already.

    Parameters
    ----------
    settings : ExtractionSettings
        How features are made.

    Returns
    -------
    dict of str to dict
        ``imageType``, ``featureClass`` and ``setting``, as PyRadiomics names them; nothing is
        resampled, and an image that is normalised over the body must be so already.
    """
    return {
        "imageType": {
            "Original": {},
            "Wavelet": {"wavelet": settings.wavelet},
            "LoG": {"sigma": list(settings.log_sigmas_mm)},
        },
        "featureClass": {group: list(names) for group, names in FEATURES_BY_CLASS.items()},
        "setting": {
            "binWidth": settings.bin_width,
            "normalize": settings.normalize and settings.normalize_over == "image",
            "normalizeScale": settings.normalize_scale,
            "additionalInfo": False,
        },
    }


def parameter_file(settings: ExtractionSettings) -> str:
    """Return the parameters as the YAML that PyRadiomics reads, and what it must be given, in
    comments.

    Parameters
    ----------
    settings : ExtractionSettings
        How features are made.
    """
    head = _HEAD.format(engine=settings.engine, digest=settings.digest, spacing=settings.spacing_mm)
    if settings.normalize and settings.normalize_over == "body":
        head += _OVER_BODY.format(scale=settings.normalize_scale)
    if settings.ring_tissue != "all":
        head += _RING_TISSUE.format(tissue=settings.ring_tissue)
    parameters = pyradiomics_parameters(settings)
    return head + yaml.safe_dump(parameters, sort_keys=False, default_flow_style=None, width=100)
