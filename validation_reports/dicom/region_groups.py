"""Measurement groups by which a viewer shows what was measured: one for each segment of the SEG
(PS3.16 TID 1411), and the outer edge of each region in one slice of the CT (TID 1410).

A viewer that draws coordinates and no segment reference shows a region by its edge, which has the
tracking identifier of the region's group, so that both are one finding. OHIF 3.13 shows nothing of
a report in which a tracked group with a number has no coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from highdicom import UID, sr
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from feature_store.imaging.outline import outline
from feature_store.imaging.regions import Region
from feature_store.imaging.regions_on_ct import RegionOnCt, largest_slice
from validation_reports.dicom import codes as concept
from validation_reports.dicom.segments import Segment, ShownRegions
from validation_reports.dicom.standard_tables import read_by_module


def measurement_group_on(
    segment: Segment | None, shown: ShownRegions | None
) -> tuple[Any, dict[str, Any]]:
    """Return the kind of group that measures a segment, and what of its arguments refers to it.

    Parameters
    ----------
    segment : Segment or None
        The segment.
    shown : ShownRegions or None
        With the segmentation, if there is one.
    """
    if segment is None or shown is None or shown.segmentation is None:
        return sr.MeasurementsAndQualitativeEvaluations, {}
    segmentation = shown.segmentation
    (series,) = segmentation.ReferencedSeriesSequence
    referenced = sr.ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=segment.number,
        source_series=sr.SourceSeriesForSegmentation(str(series.SeriesInstanceUID)),
    )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations, {"referenced_segment": referenced}


def region_groups(ct_datasets: Sequence[Dataset], shown: ShownRegions) -> list[Any]:
    """Return the groups beside the contour's own: each ring, then the edge of each region.

    Parameters
    ----------
    ct_datasets : sequence of Dataset
        The CT instances, one for each slice of the regions' grid.
    shown : ShownRegions
        What can be shown.
    """
    _, *rings = shown.segments
    return [
        *(_ring(ring, shown) for ring in rings),
        *(_edge(ct_datasets, one, shown.regions[one.region]) for one in shown.segments),
    ]


def read_standard() -> None:
    """Let highdicom read of its tables of the standard what it keeps for a report, by marking a
    region of no image: the first study need not wait for it.
    """
    read_by_module()
    corner = np.array([[0.5, 0.5]])
    image = sr.SourceImageForRegion(CTImageStorage, UID())
    sr.ImageRegion(sr.GraphicTypeValues.POINT, corner, image)


def volume_measurement(found: RegionOnCt) -> sr.Measurement:
    """Return the volume of a region as it was measured."""
    return sr.Measurement(
        concept.VOLUME, float(f"{found.measured_mm3 / 1000:.6g}"), concept.CUBIC_CENTIMETRE
    )


def _edge(ct_datasets: Sequence[Dataset], segment: Segment, found: RegionOnCt) -> Any:
    """Return the outer edge of a region in the slice where it is largest."""
    number, pixels = largest_slice(found.mask)
    ct = ct_datasets[number]
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(segment),
        referenced_region=sr.ImageRegion(
            sr.GraphicTypeValues.POLYLINE,
            outline(pixels),
            sr.SourceImageForRegion(str(ct.SOPClassUID), str(ct.SOPInstanceUID)),
        ),
        finding_type=segment.kind,
        finding_sites=[sr.FindingSite(concept.LUNG)],
        geometric_purpose=concept.OUTLINE if segment.region is Region.GTV else concept.BOUNDED_BY,
    )


def _ring(ring: Segment, shown: ShownRegions) -> Any:
    make, referenced = measurement_group_on(ring, shown)
    return make(
        tracking_identifier=_tracking(ring),
        finding_type=ring.kind,
        finding_sites=[sr.FindingSite(concept.LUNG)],
        measurements=[volume_measurement(shown.regions[ring.region])],
        **referenced,
    )


def _tracking(segment: Segment) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=segment.tracking_uid, identifier=segment.label)
