"""The studies that benchmarks measure: PAT1 as it is, and within a whole planning CT, as DICOM
files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from feature_store.imaging.ct_volume import ct_volume
from feature_store.imaging.reading import read_ct, read_rtstruct
from tests.support.dicom_files import write_ct, write_rtstruct
from tests.support.real_data import StudyFiles, real_data_folder

PLANNING_CT = (130, 512, 512)


def real_data() -> Path:
    """Return the folder of real data; exit with a sentence where there is none."""
    folder = real_data_folder()
    if folder is None:
        raise SystemExit(
            "There is no PAT1 here: set ANNULUS_REAL_DATA to the folder that holds pat1."
        )
    return folder


def within_planning_ct(study: StudyFiles, folder: Path) -> StudyFiles:
    """Write a study anew, continued by its mirror image to the size of a planning CT, the tumour at
    its place.
    """
    volume, structure_set = (
        ct_volume(read_ct(study.ct)),
        read_rtstruct(study.rtstruct).structure_set,
    )
    margins = [
        ((n - m) // 2, n - m - (n - m) // 2)
        for n, m in zip(PLANNING_CT, volume.hu.shape, strict=True)
    ]
    first = np.array([before for before, _ in reversed(margins)]) * volume.spacing_mm
    origin = np.asarray(volume.origin_mm) - volume.axes @ first
    hu = np.pad(volume.hu, margins, mode="reflect").round().astype(np.int16)
    x, y, z = origin.tolist()
    ct = write_ct(
        folder / "ct", hu, spacing_mm=volume.spacing_mm, origin_mm=(x, y, z), axes=volume.axes
    )
    frame = generate_uid(entropy_srcs=["frame"])
    rois = [(roi.name, roi.contours) for roi in structure_set.rois]
    return StudyFiles(ct, write_rtstruct(folder / "rtstruct.dcm", rois, frame_uid=frame))
