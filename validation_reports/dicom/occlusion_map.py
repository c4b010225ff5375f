"""The network's occlusion map of one patient as a DICOM parametric map in the CT's frame of
reference.

Parametric Map (PS3.3 section A.75) with float pixels: by how much the deep block of the linear
predictor falls when that part of the tumour is hidden from the network; radiomics are not in it.
A viewer lays it over the CT; its content qualification is RESEARCH.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime

import numpy as np
from highdicom import (
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
    VOILUTTransformation,
)
from highdicom.pm import ParametricMap, RealWorldValueMapping
from numpy.typing import ArrayLike
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.valuerep import DA, TM

from feature_store.imaging.deep_input import InputGrid
from validation_reports.dicom import codes as concept
from validation_reports.dicom.identity import complete, restore, withhold
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.stamps import set_clock, source_time
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError

_SERIES_NUMBER = 902


def build_occlusion_map(
    ct_datasets: Sequence[Dataset],
    values: ArrayLike,
    grid: InputGrid,
    model: ModelReference,
    *,
    software_version: str,
    created_at: datetime,
    sop_instance_uid: str,
    series_instance_uid: str,
) -> Dataset:
    """Build the parametric map of one patient.

    Parameters
    ----------
    ct_datasets : sequence of Dataset
        The CT instances that were scored, one series; pixel data is not needed.
    values : array_like of float, shape (z, y, x)
        Log hazard, from `models.combined.explanation.occlusion_map`.
    grid : InputGrid
        Where the values lie.
    model : ModelReference
        The frozen model.
    software_version : str
        Version of this software.
    created_at : datetime
        Time-zone-aware moment of scoring.
    sop_instance_uid, series_instance_uid : str
        UIDs of the map (see `uids.derived_uid`).

    Returns
    -------
    Dataset
        A Parametric Map with file meta information.

    Raises
    ------
    StructuredReportError
        If there is no CT instance, a value is not finite, or the headers do not allow a map.
    """
    volume = np.asarray(values, dtype=np.float32)
    if not ct_datasets:
        raise StructuredReportError(
            "No CT instance was given: a map must name the series that it lies over."
        )
    if volume.ndim != 3 or not np.isfinite(volume).all():
        raise StructuredReportError(
            f"The map has shape {volume.shape}: expected three axes of finite values."
        )
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # its lower levels log UIDs
    first = deepcopy(ct_datasets[0])
    complete(first)
    as_sent = withhold(first)
    axes = np.array(grid.direction).reshape(3, 3)
    positions = (
        np.array(grid.origin_mm)
        + np.arange(volume.shape[0])[:, None] * grid.spacing_mm[2] * axes[:, 2]
    )
    reach = max(float(np.abs(volume).max()), 1e-6)
    mark = " DEMONSTRATION" if model.demonstration else ""
    moment = source_time(created_at, ct_datasets[0])
    try:
        found = ParametricMap(
            source_images=[first, *ct_datasets[1:]],
            pixel_array=volume,
            series_instance_uid=series_instance_uid,
            series_number=_SERIES_NUMBER,
            sop_instance_uid=sop_instance_uid,
            instance_number=1,
            manufacturer=concept.MANUFACTURER,
            manufacturer_model_name=model.name[:64],
            software_versions=software_version,
            device_serial_number=model.digest,
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[
                RealWorldValueMapping(
                    lut_label="LOG_HAZARD",
                    lut_explanation="Fall of the score's deep block when this part is hidden",
                    unit=codes.UCUM.NoUnits,
                    value_range=(-reach, reach),
                    slope=1.0,
                    intercept=0.0,
                )
            ],
            voi_lut_transformations=[
                # LINEAR allows no window below 1 (PS3.3 section C.11.2.1.2)
                VOILUTTransformation(
                    window_center=0.0, window_width=2 * reach, voi_lut_function="LINEAR_EXACT"
                )
            ],
            pixel_measures=PixelMeasuresSequence(
                pixel_spacing=(grid.spacing_mm[1], grid.spacing_mm[0]),
                slice_thickness=grid.spacing_mm[2],
                spacing_between_slices=grid.spacing_mm[2],
            ),
            plane_orientation=PlaneOrientationSequence(
                "PATIENT", [*axes[:, 0].tolist(), *axes[:, 1].tolist()]
            ),
            plane_positions=[
                PlanePositionSequence("PATIENT", position.tolist()) for position in positions
            ],
            content_label="OCCLUSION",
            content_description="Fall of the deep block alone by occlusion",
            series_description=f"Annulus occlusion{mark}: deep block of the score alone",
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise StructuredReportError(
            f"The headers of the CT do not allow a map over it ({type(error).__name__}): expected "
            "slices with place, spacing and Frame of Reference."
        ) from error
    found.Laterality = (
        first.get("Laterality") or ""
    )  # PS3.3 section C.7.3.1: type 2C, a lung is a paired organ
    found.ContentDate, found.ContentTime = (
        DA(moment.date()),
        TM(moment.time().replace(microsecond=0)),
    )
    found.TimezoneOffsetFromUTC = f"{moment:%z}"
    set_clock(found, moment)
    for item in (*found.DimensionOrganizationSequence, *found.DimensionIndexSequence):
        item.DimensionOrganizationUID = derived_uid("dimensions", sop_instance_uid)
    restore(found, as_sent)
    return found
