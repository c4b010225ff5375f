"""What is refused on the way from files to features, beside what the rule tables judge.

Their sentences stand where they are met; what was expected stands here, by code, for the page that
lists every code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "changed-on-disk": "the file in the archive as it was received",
        "unreadable-ct": "CT files that are DICOM",
        "unreadable-rtstruct": "an RTSTRUCT that is DICOM",
        "no-ct": "a CT series",
        "not-ct": "CT Image Storage with modality CT",
        "ct-header": "UIDs, position, orientation, pixel spacing and size in every slice",
        "impossible-geometry": "finite positions, two orthogonal directions, a size above 0",
        "truncated-pixels": "as many pixels as the slice announces",
        "pixel-shape": "one grey frame in each slice",
        "pixel-range": "pixel values that Bits Stored can hold",
        "ct-too-small": "a CT of at least 4 voxels along each axis",
        "not-rtstruct": "an RT Structure Set",
        "rtstruct-content": "usable UIDs and a usable list of ROIs in the RTSTRUCT",
        "only-remnants": "a GTV contour that encloses a voxel",
        "not-in-plane": "each GTV contour within one slice plane",
        "off-slice": "each GTV contour on a slice",
        "contours-skip-slices": "a contour on every slice of a lesion",
        "contours-at-different-depths": "the GTV contours of a slice in one plane",
        "overlapping-contours": "GTV contours apart or within each other, or "
        'overlapping_contours = "union"',
        "nearly-repeated-contours": "no GTV contour nearly the same as another, or "
        'overlapping_contours = "union"',
        "contour-overlaps-itself": "GTV contours that go round each area once, or "
        'overlapping_contours = "union"',
        "contours-cancel": "CLOSEDPLANAR_XOR contours that differ",
        "contours-leave-nothing": "voxels left of contours that enclose some",
        "no-body": "a patient in the CT, where a setting asks for the body",
        "no-gtv-voxels": "voxels of the GTV on the CT's grid",
        "flat-gtv": "values that differ around the GTV",
        "ring-too-small": "a ring of at least 27 voxels, of the tissue that it is kept to",
        "flat-image": "values that differ in the CT",
        "image-too-thin": "a CT that is thick enough for the widest filter",
        "degenerate-region": "at least 27 voxels in each region",
        "flat-region": "at least 2 voxels along two axes of each region",
        "too-many-grey-levels": "values in a region that span a plausible number of bins",
        "undefined-features": "a finite value of every feature",
        "undefined-deep-features": "a finite value of every deep feature",
        "pyradiomics-refused": "a region that PyRadiomics measures",
        "structured-report": "headers from which a structured report can be made",
    }
)
"""Each quarantines the study, and none can be released: no features can be computed."""
