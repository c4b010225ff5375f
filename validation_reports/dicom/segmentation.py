"""The regions that were measured as a DICOM SEG (PS3.3 section A.51), which a viewer lays over the
CT.

BINARY, on the CT's own grid: one segment for the GTV as it was rasterised, and one for each ring
that the model reads. Each segment's description tells its volume, and how well what is shown agrees
with what was measured. The same input gives the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from feature_store.imaging.boxed_mask import union
from feature_store.imaging.regions import Region
from feature_store.imaging.regions_on_ct import RegionOnCt
from feature_store.wording import counted
from validation_reports.dicom import codes as concept
from validation_reports.dicom.identity import character_set, identity_of, restore, withhold
from validation_reports.dicom.performance_items import plain
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.segments import Segment
from validation_reports.dicom.stamps import coding_schemes, set_clock, source_time
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError

_SERIES_NUMBER = 904
_IMAGE_GROUP = 0x0028
_TITLE = {True: "Annulus regions DEMONSTRATION", False: "Annulus regions"}
_PLACE = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient")
"""Needed as they are, although a value of more than 16 characters is no valid DS."""
_LONGEST_DESCRIPTION = 64
_VERMILION, _SKY_BLUE = (35976, 44540, 49400), (45400, 28579, 23764)
"""The colours of Okabe and Ito as PCS-values (PS3.3 section C.10.7.1.1)."""


def build_segmentation(
    ct_datasets: Sequence[Dataset],
    segments: Sequence[Segment],
    regions: Mapping[Region, RegionOnCt],
    slice_spacing_mm: float,
    model: ModelReference,
    *,
    software_version: str,
    created_at: datetime,
    sop_instance_uid: str,
    series_instance_uid: str,
) -> Dataset:
    """Build the segmentation of one study.

    Parameters
    ----------
    ct_datasets : sequence of Dataset
        The CT instances that were scored, in the order of the volume's slices; pixel data is not
        needed.
    segments : sequence of Segment
        From `segments.segments_of`.
    regions : mapping of Region to RegionOnCt
        Where each segment lies; its grid has a slice for each CT instance.
    slice_spacing_mm : float
        Distance of the slices' centres.
    model : ModelReference
        The frozen model that reads these regions.
    software_version : str
        Version of this software.
    created_at : datetime
        Time-zone-aware moment of scoring.
    sop_instance_uid, series_instance_uid : str
        UIDs of the object (see `uids.derived_uid`).

    Returns
    -------
    Dataset
        A Segmentation with file meta information, ready for `files.write_dicom`.

    Raises
    ------
    StructuredReportError
        If the masks have another number of slices than the CT, or its headers do not allow a
        segmentation.
    """
    depth = {regions[segment.region].mask.grid_shape[0] for segment in segments}
    if depth != {len(ct_datasets)}:
        raise StructuredReportError(
            f"The regions lie on {', '.join(map(str, sorted(depth)))} slices and the CT has "
            f"{counted(len(ct_datasets), 'instance')}: expected one for each slice."
        )
    slices = union(*(regions[segment.region].mask.box for segment in segments))[0]
    pixels = np.stack([_pixels(regions[one.region], slices) for one in segments], axis=-1)
    shown = ct_datasets[slices.start : slices.stop]
    first = identity_of(shown[0])
    first.update(shown[0].group_dataset(_IMAGE_GROUP))
    for keyword in _PLACE:
        if keyword in shown[0]:
            first[keyword] = shown[0][keyword]
    first.SliceThickness = slice_spacing_mm  # the library asks for it, and a CT may have none
    charset = character_set(first, [segment.label for segment in segments])
    as_sent = withhold(first)
    moment = source_time(created_at, ct_datasets[0])
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # its lower levels log UIDs
    try:
        built = Segmentation(
            source_images=[first, *shown[1:]],
            pixel_array=pixels,
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=[
                _description(segment, software_version, model) for segment in segments
            ],
            series_instance_uid=series_instance_uid,
            series_number=_SERIES_NUMBER,
            sop_instance_uid=sop_instance_uid,
            instance_number=1,
            manufacturer=concept.MANUFACTURER,
            manufacturer_model_name=model.name[:64],
            software_versions=software_version,
            device_serial_number=model.digest,
            specific_character_set=charset,
            content_label="MEASURED_REGIONS",
            content_description=f"Dice with what was measured: {_agreement(segments, regions)}"[
                :_LONGEST_DESCRIPTION
            ],
            pixel_measures=PixelMeasuresSequence(
                pixel_spacing=[float(value) for value in first.PixelSpacing],
                slice_thickness=slice_spacing_mm,
                spacing_between_slices=slice_spacing_mm,
            ),
            series_description=f"{_TITLE[model.demonstration]}: {segments[0].label}"[:64],
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise StructuredReportError(
            f"The headers of the CT do not allow a segmentation ({type(error).__name__}): expected "
            "slices of one size with place, spacing and Frame of Reference."
        ) from error
    _complete(built, segments, regions)
    built.ContentDate, built.ContentTime = (
        DA(moment.date()),
        TM(moment.time().replace(microsecond=0)),
    )
    built.CodingSchemeIdentificationSequence = [*coding_schemes()]
    built.TimezoneOffsetFromUTC = f"{moment:%z}"
    set_clock(built, moment)
    restore(built, as_sent)
    return built


def _pixels(found: RegionOnCt, slices: slice) -> np.ndarray:
    _, rows, columns = found.mask.grid_shape
    return found.mask.cut((slices, slice(0, rows), slice(0, columns)))


def _description(
    segment: Segment, software_version: str, model: ModelReference
) -> SegmentDescription:
    is_contour = segment.region is Region.GTV
    return SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label[:64],
        segmented_property_category=segment.category,
        segmented_property_type=segment.kind,
        algorithm_type=(
            SegmentAlgorithmTypeValues.SEMIAUTOMATIC
            if is_contour
            else SegmentAlgorithmTypeValues.AUTOMATIC
        ),
        algorithm_identification=AlgorithmIdentificationSequence(
            name=(
                "Contour of the RT Structure Set, rasterised"
                if is_contour
                else "Dilation of the GTV by a physical distance, minus the GTV"
            ),
            family=concept.DRAWN_BY_HAND if is_contour else concept.MORPHOLOGICAL_OPERATIONS,
            version=software_version,
            source=concept.MANUFACTURER,
            parameters={"model SHA-256": model.digest},
        ),
        tracking_uid=segment.tracking_uid,
        tracking_id=segment.label,
        anatomic_regions=[concept.LUNG],
    )


def _agreement(segments: Sequence[Segment], regions: Mapping[Region, RegionOnCt]) -> str:
    """Return Dice of each segment, without a name that a character set could not write."""
    return ", ".join(
        f"{segment.region.value} {regions[segment.region].dice:.3f}" for segment in segments
    )


def region_words(found: RegionOnCt) -> str:
    """Return how large a region is on the CT and as it was measured, and how well both agree."""
    return (
        f"{found.volume_mm3 / 1000:.2f} cm3 on the CT's grid, {found.measured_mm3 / 1000:.2f} cm3 "
        f"as measured, Dice {found.dice:.3f}"
    )


def _complete(
    built: Dataset, segments: Sequence[Segment], regions: Mapping[Region, RegionOnCt]
) -> None:
    """Say what the library leaves open, and replace its random UIDs."""
    for item, segment in zip(built.SegmentSequence, segments, strict=True):
        item.SegmentDescription = plain(
            f"{segment.kind.meaning}: {region_words(regions[segment.region])}"
        )
        item.RecommendedDisplayCIELabValue = list(
            _VERMILION if segment.region is Region.GTV else _SKY_BLUE
        )
    organisation = derived_uid("dimensions", str(built.SOPInstanceUID))
    for item in (*built.DimensionOrganizationSequence, *built.DimensionIndexSequence):
        item.DimensionOrganizationUID = organisation
