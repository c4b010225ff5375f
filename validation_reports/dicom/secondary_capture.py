"""A patient's page as a picture, for a PACS that takes no PDF (Secondary Capture Image IOD, PS3.3
section A.8.1).
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from validation_reports.dicom.page_object import name, of_patient, stamp
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.stamps import source_time
from validation_reports.errors import StructuredReportError

_SERIES_NUMBER = 906


def patient_picture(
    pixels: NDArray[np.uint8],
    dots_per_inch: float,
    ct: Dataset,
    model: ModelReference,
    *,
    software_version: str,
    created_at: datetime,
    sop_instance_uid: str,
    series_instance_uid: str,
) -> Dataset:
    """Wrap the picture of a patient's page, in the study of the CT.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns, 3)
        Red, green and blue.
    dots_per_inch : float
        Pixels of it in an inch of paper.
    ct : Dataset
        An instance of the CT, whose patient and study it is.
    model : ModelReference
        The frozen model.
    software_version : str
        Version of this software.
    created_at : datetime
        Time-zone-aware moment of scoring.
    sop_instance_uid, series_instance_uid : str
        UIDs of the picture (see `uids.derived_uid`).

    Returns
    -------
    Dataset
        With file meta information, ready for `files.write_dicom`.

    Raises
    ------
    StructuredReportError
        If there is no picture of that kind.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise StructuredReportError(
            f"The picture of the page has shape {pixels.shape} of {pixels.dtype}: expected rows, "
            "columns and three colours of uint8."
        )
    found = of_patient(ct, model)
    found.SeriesNumber = _SERIES_NUMBER
    name(found, SecondaryCaptureImageStorage, sop_instance_uid, series_instance_uid)
    found.Modality = "OT"
    found.BurnedInAnnotation, found.RecognizableVisualFeatures = "YES", "NO"
    found.PatientOrientation = found.Laterality = ""  # type 2C (PS3.3 sections C.7.6.1, C.7.3.1)
    found.PixelSpacing = [f"{25.4 / dots_per_inch:.6g}"] * 2
    found.SamplesPerPixel, found.PhotometricInterpretation = 3, "RGB"
    found.PlanarConfiguration = 0
    found.Rows, found.Columns = pixels.shape[:2]
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit, found.PixelRepresentation = 7, 0
    data = np.ascontiguousarray(pixels).tobytes()
    found.PixelData = data + b"\0" * (len(data) % 2)
    found["PixelData"].VR = "OB"
    stamp(found, source_time(created_at, ct), software_version)
    return found
