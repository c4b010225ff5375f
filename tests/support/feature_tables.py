"""Tables as PyRadiomics' batch command writes them, whose paths name the patient."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

SETTINGS = (
    "{'minimumROIDimensions': 2, 'normalize': True, 'normalizeScale': 100, 'removeOutliers': None, "
    "'resampledPixelSpacing': [1, 1, 1], 'interpolator': 'sitkBSpline', 'padDistance': 5, "
    "'distances': [1], 'force2D': False, 'resegmentRange': None, 'label': 1, 'binWidth': 25}"
)
IMAGES = "{'Original': {}, 'Wavelet': {}}"
NAMES = ("original_firstorder_Mean", "original_shape_VoxelVolume", "wavelet-LLH_glcm_Contrast")
DIAGNOSTICS = (
    "diagnostics_Versions_PyRadiomics",
    "diagnostics_Configuration_Settings",
    "diagnostics_Configuration_EnabledImageTypes",
    "diagnostics_Image-original_Spacing",
)
HEADER = ("Image", "Mask", "PatientID", *DIAGNOSTICS, *NAMES)
IDENTITY = "DOE-JOHN"


def lines(patients: int = 3, settings: str = SETTINGS) -> list[list[str]]:
    """Return a line for each patient, in the order of `HEADER`."""
    return [
        [
            f"/data/{IDENTITY}/ct.nii",
            f"/data/{IDENTITY}/gtv.nii",
            f"P{number}",
            "v3.0.1",
            settings,
            IMAGES,
            "(0.97, 0.97, 3.0)",
            *(repr(1.5 + number + place / 10) for place in range(len(NAMES))),
        ]
        for number in range(patients)
    ]


def write_table(
    path: Path,
    rows: Sequence[Sequence[str]],
    header: Sequence[str] = HEADER,
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Path:
    """Write a table, and return where it is."""
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path
