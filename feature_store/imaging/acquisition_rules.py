"""What the paper's protocol has of a CT's acquisition: its facts, and the rules on them.

A new departure from the protocol is a fact, where none says it yet, and one more row of
`PROTOCOL_RULES`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from feature_store.imaging.ct_headers import UNSPECIFIED, CtHeaders
from feature_store.imaging.ct_rules import COINCIDING_MM
from feature_store.rules import TRUE, Between, OneOf, warning
from feature_store.wording import counted

KNOWN_VENDORS = (
    "siemens",
    "ge medical systems",
    "philips",
    "toshiba",
    "canon",
    "cms, inc.",
    "hitachi",
    "fujifilm",
)


PROJECTIONS = frozenset(
    ["MIP", "TMIP", "MINIP", "AIP", "AVE", "AVERAGE", "AVG", "MEAN", "MEDIAN", "SUM", "PROJECTION",
     "LOCALIZER", "SUBTRACTION", "RESAMPLED", "REFORMATTED", "MPR", "FILTERED"]
)  # fmt: skip
"""Words in Image Type of what is no plain reconstruction (PS3.3 C.8.2.1.1.1, C.8.15.3.9)."""
SPECTRAL = frozenset(
    ["VMI", "MAT_SPECIFIC", "MAT_REMOVED", "MAT_FRACTIONAL", "MAT_MODIFIED", "MAT_VALUE_BASED",
     "EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "VNC", "IODINE", "MONOENERGETIC", "ENERGY_PROP_WT",
     "POST_CONTRAST_VNC"]
)  # fmt: skip
"""Values of Image Type of what is computed from several energies (PS3.3 C.8.2.1.1.1)."""


_STRAIGHT_DEG = 0.5
_LEAST_THICKNESS = 2 / 3
"""Of the distance of slices: a part of each nominal thickness may be told by its rounding."""


@dataclass(frozen=True, kw_only=True)
class AcquisitionFacts:
    """Facts of how a CT was acquired; what is not known is `None`.

    Parameters
    ----------
    kvp, slice_thickness_mm : float or None
        From the acquisition, in kV and mm.
    rows, columns : int
        Size of a slice in pixels.
    manufacturer : str or None
        Vendor of the scanner.
    missing_tags : tuple of str
        Keywords of acquisition tags that are absent or empty.
    varying_tags : tuple of str
        Keywords of tags that take more than one value within the series.
    projections, spectral : tuple of str
        Values of Image Type that say that a slice was computed from others: a projection, an
        average or a reformat; or an image at several energies.
    lossy_slices : int
        Slices that were compressed with loss.
    bits_stored : int or None
        The fewest bits of a pixel in the series.
    untold_tilt_deg : float
        The largest tilt of the gantry that slices name although they lie straight across the
        patient, in degrees; 0 where they name none, or lie tilted.
    unspecified_slices : int
        Slices whose Rescale Type says that their unit is not specified.
    acquisitions, interleaved : int
        Acquisitions that slices name, and how often one begins again along the normal; 0 where
        slices coincide.
    slice_distance_mm, thickness_share : float or None
        Median distance of slices along the normal, and the nominal thickness over it.
    """

    kvp: float | None
    slice_thickness_mm: float | None
    rows: int
    columns: int
    manufacturer: str | None
    missing_tags: tuple[str, ...]
    varying_tags: tuple[str, ...] = ()
    projections: tuple[str, ...] = ()
    spectral: tuple[str, ...] = ()
    lossy_slices: int = 0
    bits_stored: int | None = None
    untold_tilt_deg: float = 0.0
    unspecified_slices: int = 0
    acquisitions: int = 1
    interleaved: int = 0
    slice_distance_mm: float | None = None
    thickness_share: float | None = None

    @property
    def matrix(self) -> str:
        """Rows and columns in words."""
        return f"{self.rows} x {self.columns}"

    @property
    def known_vendor(self) -> bool | None:
        """Whether the vendor is one of those that are known."""
        if not self.manufacturer:
            return None
        return self.manufacturer.casefold().startswith(KNOWN_VENDORS)


def acquisition_facts(headers: CtHeaders) -> AcquisitionFacts:
    """Take from the slices of a CT what the protocol speaks of: the first one's acquisition, and
    where the others differ.
    """
    acquisition, slices = headers.acquisition, headers.slices
    values: dict[str, set[Any]] = {
        "KVP": {one.acquisition.kvp for one in slices},
        "ConvolutionKernel": {one.acquisition.convolution_kernel for one in slices},
        "SliceThickness": {one.acquisition.slice_thickness_mm for one in slices},
        "Manufacturer": {one.acquisition.manufacturer for one in slices},
        "ImageType": {one.image_type for one in slices},
        "ContrastBolusAgent": {one.contrast for one in slices},
    }
    kinds = {kind for one in slices for kind in one.image_type.split("\\")}
    words = {word for kind in kinds for word in re.split(r"[^A-Z0-9]+", kind)}
    acquired = [one.acquired_in for one in slices]
    acquisitions = len(set(acquired))
    runs = 1 + sum(before != after for before, after in pairwise(acquired))
    gaps_mm = headers.slice_gaps_mm
    distance_mm = float(np.median(gaps_mm)) if gaps_mm.size else 0.0
    thickness_mm = acquisition.slice_thickness_mm
    straight = math.degrees(math.acos(min(1.0, abs(float(headers.normal[2]))))) < _STRAIGHT_DEG
    tilts = [abs(one.gantry_tilt_deg or 0.0) for one in slices] if straight else []
    bits = [one.bits_stored for one in slices if one.bits_stored is not None]
    return AcquisitionFacts(
        kvp=acquisition.kvp,
        slice_thickness_mm=acquisition.slice_thickness_mm,
        rows=acquisition.rows,
        columns=acquisition.columns,
        manufacturer=acquisition.manufacturer,
        missing_tags=acquisition.missing_tags,
        varying_tags=tuple(keyword for keyword, found in values.items() if len(found) > 1),
        projections=tuple(sorted(words & PROJECTIONS)),
        spectral=tuple(sorted(kinds & SPECTRAL)),
        lossy_slices=sum(one.lossy for one in slices),
        bits_stored=min(bits, default=None),
        untold_tilt_deg=max(tilts, default=0.0),
        unspecified_slices=sum(one.rescale_type == UNSPECIFIED for one in slices),
        acquisitions=acquisitions,
        # where slices coincide their order says nothing
        interleaved=runs - acquisitions if gaps_mm.min(initial=1.0) >= COINCIDING_MM else 0,
        slice_distance_mm=distance_mm or None,
        thickness_share=thickness_mm / distance_mm if thickness_mm and distance_mm > 0 else None,
    )


PROTOCOL_RULES = (
    warning(
        "kvp",
        "kvp",
        Between(120, 120),
        "120 kV",
        lambda f: f"The tube voltage is {f.kvp:g} kV, expected 120 kV.",
    ),
    warning(
        "slice-thickness",
        "slice_thickness_mm",
        Between(2, 5),
        "slices of 2 to 5 mm",
        lambda f: f"The slice thickness is {f.slice_thickness_mm:g} mm, expected 2 to 5 mm.",
    ),
    warning(
        "matrix",
        "matrix",
        OneOf(("512 x 512",)),
        "512 x 512 pixels",
        lambda f: f"The CT slices have {f.matrix} pixels, expected 512 x 512.",
    ),
    warning(
        "vendor",
        "known_vendor",
        TRUE,
        "a scanner of a known vendor",
        lambda f: (
            f"The scanner's Manufacturer (0008,0070) is {f.manufacturer!r}, expected a vendor "
            "whose CTs are known: its reconstruction may have other textures."
        ),
    ),
    warning(
        "varying-acquisition",
        "varying_tags",
        Between(None, 0),
        "one acquisition and reconstruction throughout",
        lambda f: (
            f"{' and '.join(f.varying_tags)} {'changes' if len(f.varying_tags) == 1 else 'change'} "
            "within the CT series, expected one value throughout: the tumour's slices may be of "
            "another reconstruction than the others."
        ),
    ),
    warning(
        "interleaved-acquisitions",
        "interleaved",
        Between(None, 0),
        "slices of one acquisition, or of several one after the other",
        lambda f: (
            f"The CT's slices are of {counted(f.acquisitions, 'acquisition')} that alternate along "
            "the patient (Acquisition Number (0020,0012), Temporal Position Identifier "
            "(0020,0100)), expected one, or one after the other: neighbouring slices may be of "
            "another breath, phase or contrast. Send the acquisition that was contoured as a "
            "series of its own, or release the study if whoever knows the scanner says that the "
            "slices belong together."
        ),
    ),
    warning(
        "slices-apart",
        "thickness_share",
        Between(_LEAST_THICKNESS),
        "slices as thick as they lie apart, or thicker",
        lambda f: (
            f"The CT slices are {f.slice_thickness_mm:g} mm thick and lie "
            f"{f.slice_distance_mm:.2f} mm apart, expected no gaps: what lies between them was not "
            "measured, or slices lack throughout, such as every second one. Send the whole series, "
            "if there is more of it."
        ),
    ),
    warning(
        "projection",
        "projections",
        Between(None, 0),
        "slices as they were reconstructed",
        lambda f: (
            f"Image Type of CT slices says {', '.join(f.projections)}, expected a plain "
            "reconstruction: what is computed from other slices has other textures."
        ),
    ),
    warning(
        "spectral",
        "spectral",
        Between(None, 0),
        "values of one tube voltage",
        lambda f: (
            f"Image Type of CT slices says {', '.join(f.spectral)}, expected a reconstruction at "
            "one tube voltage: an image that is computed from several energies has other values."
        ),
    ),
    warning(
        "unspecified-unit",
        "unspecified_slices",
        Between(None, 0),
        "a CT that does not say that its unit is unspecified",
        lambda f: (
            f"The CT has {counted(f.unspecified_slices, 'slice')} of Rescale Type US, which is "
            "unspecified (PS3.3 C.11.1.1.2), expected HU or none, which stands for HU: nobody says "
            "that the values are Hounsfield units. Send the reconstruction in Hounsfield units, or "
            "release the study if whoever knows the sending system says that they are."
        ),
    ),
    warning(
        "untold-tilt",
        "untold_tilt_deg",
        Between(None, _STRAIGHT_DEG),
        "no gantry tilt that the slices' geometry does not show",
        lambda f: (
            f"The CT names a gantry tilt of {f.untold_tilt_deg:g} degrees (0018,1120), and its "
            "slices lie straight across the patient, expected slices that lie as they were "
            "scanned, or no tilt: either they were straightened, or the patient is sheared. Look "
            "at the spine in a sagittal view, and release the study if it is straight; otherwise "
            "send a reconstruction that is corrected for tilt."
        ),
    ),
    warning(
        "lossy",
        "lossy_slices",
        Between(None, 0),
        "pixels that were never compressed with loss",
        lambda f: (
            f"The CT has {counted(f.lossy_slices, 'slice')} compressed with loss, as (0028,2110) "
            "says, or a ratio or method without it, expected none: compression changes textures."
        ),
    ),
    warning(
        "few-bits",
        "bits_stored",
        Between(12),
        "pixels of at least 12 bits",
        lambda f: (
            f"The CT's pixels have {f.bits_stored} bits, expected at least 12: the steps between "
            "their values are coarse, or the image was windowed."
        ),
    ),
    warning(
        "missing-tags",
        "missing_tags",
        Between(None, 0),
        "a CT header that tells the acquisition",
        lambda f: (
            f"The CT header does not say {', '.join(f.missing_tags)}, expected by the protocol."
        ),
    ),
)
"""How the paper's CTs were acquired (paper, data); another CT is scored with a warning."""
