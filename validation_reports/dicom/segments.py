"""The segments that were measured: how each is called, coded and tracked, in SEG and SR alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from feature_store.imaging.regions import Region
from feature_store.imaging.regions_on_ct import RegionOnCt
from validation_reports.dicom import codes as concept
from validation_reports.dicom.references import RoiReference
from validation_reports.dicom.uids import derived_uid


@dataclass(frozen=True)
class Segment:
    """One segment of a study.

    Parameters
    ----------
    number : int
        Segment Number (0062,0004), from 1.
    region : Region
        What was measured in it.
    label : str
        Segment Label (0062,0005): the ROI's name, or the ring's width.
    tracking_uid : str
        Tracking UID (0062,0021), the same for the same contour whatever model reads it.
    category, kind : Code
        Segmented property category and type (PS3.16 CID 7150; the ring has a private type).
    """

    number: int
    region: Region
    label: str
    tracking_uid: str
    category: Code
    kind: Code


def segments_of(
    regions: Collection[Region], rtstruct: Dataset, roi: RoiReference
) -> tuple[Segment, ...]:
    """Return the segments of the regions that a model reads: the GTV first, then its rings.

    Parameters
    ----------
    regions : collection of Region
        What the model reads; the GTV, which every ring is made of, is always a segment.
    rtstruct : Dataset
        The RT Structure Set that holds the contour.
    roi : RoiReference
        The contour in it.
    """
    of_contour = (str(rtstruct.SOPInstanceUID), str(roi.number))
    found = [
        Segment(
            1,
            Region.GTV,
            roi.name,
            derived_uid("contour", *of_contour),
            concept.ABNORMAL_STRUCTURE,
            concept.GROSS_TUMOUR_VOLUME,
        )
    ]
    rings = [region for region in Region if region is not Region.GTV and region in regions]
    for number, ring in enumerate(rings, start=2):
        found.append(
            Segment(
                number,
                ring,
                concept.ring_concept(ring.width_mm).meaning,
                derived_uid(ring.value, *of_contour),
                concept.TISSUE,
                concept.ring_concept(ring.width_mm),
            )
        )
    return tuple(found)


@dataclass(frozen=True, eq=False)
class ShownRegions:
    """What of the measured regions a viewer can show.

    Parameters
    ----------
    segments : tuple of Segment
        How each is called.
    regions : mapping of Region to RegionOnCt
        Where each lies, on a grid with a slice for each CT instance in the order of these.
    segmentation : Dataset or None
        The SEG that holds them; `None` where the centre takes none.
    """

    segments: tuple[Segment, ...]
    regions: Mapping[Region, RegionOnCt]
    segmentation: Dataset | None = None
