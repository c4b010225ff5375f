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
        resampled.
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
            "normalize": settings.normalize,
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
    parameters = pyradiomics_parameters(settings)
    return head + yaml.safe_dump(parameters, sort_keys=False, default_flow_style=None, width=100)
