"""Facts of a study as the paper's protocol has it, from which tests depart one fact at a time."""

from __future__ import annotations

from feature_store.clinical_records import Histology
from feature_store.expectations.study_rules import StudyFacts
from feature_store.imaging.contour_rules import ContourFacts
from feature_store.imaging.region_rules import RegionFacts
from feature_store.imaging.voxel_rules import VoxelFacts

GOOD = StudyFacts(
    n_slices=100,
    n_series=1,
    n_frames_of_reference=1,
    orientation_consistent=True,
    spacing_consistent=True,
    sizes=("512 x 512 of 0.9 x 0.9 mm",),
    unscaled_at_mm=(),
    rescale_types=(),
    coinciding_at_mm=(),
    shift_mm=0.0,
    shift_at_mm=-50.0,
    median_gap_mm=3.0,
    largest_gap_ratio=1.0,
    largest_gap_after_mm=-50.0,
    missing_slices=0,
    even_gap_mm=3.0,
    off_grid_mm=0.0,
    off_grid_at_mm=-50.0,
    evenly_spaced=True,
    kvp=120.0,
    slice_thickness_mm=3.0,
    rows=512,
    columns=512,
    manufacturer="SIEMENS",
    missing_tags=(),
    roi_names=("GTV-1", "PTV"),
    gtv_pattern="gtv.*",
    gtv_candidates=("GTV-1",),
    gtv_contours=20,
    malformed_contours=(),
    open_contours=(),
    infinite_contours=(),
    shares_its_number=False,
    same_frame_of_reference=True,
    contours_outside_ct=0,
    farthest_outside_mm=0.0,
    clinical_row=True,
    age=66.0,
    histology=Histology.ADENOCARCINOMA,
)
GOOD_CONTOURS = ContourFacts(
    repeated=0,
    remnants=0,
    crossing=0,
    united=0,
    repeated_on=(),
    remnants_on=(),
    crossing_on=(),
    united_on=(),
    empty_on=(),
    hollow_on=(),
    holes=0,
    islands=0,
    keyholes=0,
    without_voxels=0,
    contoured_slices=20,
    off_plane_mm=0.0,
    near_plane=True,
    between_lesions=(),
    contour_items=1,
    offset_contours=0,
)
GOOD_VOXELS = VoxelFacts(
    air_share=0.4,
    soft_tissue_share=0.3,
    gtv_90th_percentile_hu=60.0,
    gtv_outside_image=0,
    metal_influence=0.0,
)
GOOD_REGIONS = RegionFacts(gtv_voxels=12_000, ring_share_beyond_ct=0.0, gtv_outside_body=0.0)
