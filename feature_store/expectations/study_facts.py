"""What is known of a study before it is trusted: plain facts, from which the expectations give
their verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from feature_store.clinical_records import ClinicalRecord, Histology
from feature_store.imaging.ct_headers import CtHeaders
from feature_store.imaging.structure_set import StructureSet, matching_rois


@dataclass(frozen=True)
class StudyFacts:
    """Facts of one study; what is not known is `None`.

    Parameters
    ----------
    n_slices : int
        Number of CT slices.
    median_gap_mm : float or None
        Median distance of neighbouring slices along the normal; `None` for one slice.
    largest_gap_ratio : float or None
        Largest of these distances over the median one.
    largest_gap_after_mm : float or None
        Position along the normal of the slice before the largest distance.
    coinciding_slices : int
        Slices that lie where the one before them lies (closer than 0.01 mm).
    orientation_consistent, spacing_consistent, one_series : bool
        Whether all slices agree in direction cosines, in pixel spacing and size, and in their
        series.
    same_frame_of_reference : bool
        Whether all slices, and the contours of each GTV candidate, are in one Frame of Reference.
    roi_names : tuple of str
        Names of all ROIs of the structure set.
    gtv_pattern : str
        The centre's rule for the name of the GTV.
    gtv_candidates : tuple of str
        Names that match the rule.
    gtv_contours : int
        Contours of the candidates together.
    contours_outside_ct : int
        Contours of the candidates that lie beyond the CT by more than half a slice or pixel.
    kvp, slice_thickness_mm : float or None
        From the acquisition, in kV and mm.
    rows, columns : int
        Size of a slice in pixels.
    manufacturer : str or None
        Vendor of the scanner.
    missing_tags : tuple of str
        Keywords of acquisition tags that are absent or empty.
    clinical_row : bool
        Whether the centre's clinical table has a row for the patient.
    age : float or None
        Age in years.
    histology : Histology or None
        Histology of the primary tumour.
    gtv_voxels : int or None
        Voxels of the GTV on the harmonised grid; `None` until it is rasterised.
    ring_cut_by_field_of_view : bool or None
        Whether a ring would extend beyond the CT; `None` until it is known.
    """

    n_slices: int
    median_gap_mm: float | None
    largest_gap_ratio: float | None
    largest_gap_after_mm: float | None
    coinciding_slices: int
    orientation_consistent: bool
    spacing_consistent: bool
    one_series: bool
    same_frame_of_reference: bool
    roi_names: tuple[str, ...]
    gtv_pattern: str
    gtv_candidates: tuple[str, ...]
    gtv_contours: int
    contours_outside_ct: int
    kvp: float | None
    slice_thickness_mm: float | None
    rows: int
    columns: int
    manufacturer: str | None
    missing_tags: tuple[str, ...]
    clinical_row: bool
    age: float | None
    histology: Histology | None
    gtv_voxels: int | None = None
    ring_cut_by_field_of_view: bool | None = None


def study_facts(
    headers: CtHeaders,
    structure_set: StructureSet,
    gtv_pattern: str,
    clinical: ClinicalRecord | None,
) -> StudyFacts:
    """Collect the facts of a study.

    Parameters
    ----------
    headers : CtHeaders
        The CT slices without their pixels.
    structure_set : StructureSet
        The contours.
    gtv_pattern : str
        Regular expression for the whole name of the GTV, without regard to case.
    clinical : ClinicalRecord or None
        The patient's clinical record, if there is one.

    Returns
    -------
    StudyFacts
        Everything but what needs the rasterised GTV.
    """
    candidates = matching_rois(structure_set, gtv_pattern)
    contours = [points for roi in candidates for points in roi.contours]
    frames = headers.frame_of_reference_uids | {roi.frame_of_reference_uid for roi in candidates}
    gaps = headers.slice_gaps_mm
    acquisition = headers.acquisition
    return StudyFacts(
        n_slices=len(headers.slices),
        median_gap_mm=headers.median_gap_mm,
        largest_gap_ratio=headers.largest_gap_ratio,
        largest_gap_after_mm=float(headers.slice_positions_mm[gaps.argmax()])
        if gaps.size
        else None,
        coinciding_slices=int((gaps < 0.01).sum()),
        orientation_consistent=headers.orientation_consistent,
        spacing_consistent=headers.spacing_consistent,
        one_series=headers.one_series,
        same_frame_of_reference=len(frames) == 1 and None not in frames,
        roi_names=structure_set.roi_names,
        gtv_pattern=gtv_pattern,
        gtv_candidates=tuple(roi.name for roi in candidates),
        gtv_contours=len(contours),
        contours_outside_ct=headers.outside_count([points for points in contours if len(points)]),
        kvp=acquisition.kvp,
        slice_thickness_mm=acquisition.slice_thickness_mm,
        rows=acquisition.rows,
        columns=acquisition.columns,
        manufacturer=acquisition.manufacturer,
        missing_tags=acquisition.missing_tags,
        clinical_row=clinical is not None,
        age=clinical.age if clinical else None,
        histology=clinical.histology if clinical else None,
    )


def with_regions(facts: StudyFacts, gtv_voxels: int, ring_cut_by_field_of_view: bool) -> StudyFacts:
    """Return the facts, completed by what the rasterised regions tell.

    Parameters
    ----------
    facts : StudyFacts
        What was known before.
    gtv_voxels : int
        Voxels of the GTV on the harmonised grid.
    ring_cut_by_field_of_view : bool
        Whether a ring would extend beyond the CT.
    """
    return replace(
        facts, gtv_voxels=gtv_voxels, ring_cut_by_field_of_view=ring_cut_by_field_of_view
    )
