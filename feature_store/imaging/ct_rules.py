"""What must hold of a CT series before its pixels are trusted: its facts, and the rules on them.

A new defect is a fact, where none says it yet, and one more row of `CT_RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from feature_store.errors import CtGeometryError
from feature_store.imaging.ct_headers import UNSPECIFIED, CtHeaders
from feature_store.rules import TRUE, Between, Rule
from feature_store.wording import counted

GAP_RATIO = 1.5
"""A slice distance of more than this times the median one is a missing slice."""
COINCIDING_MM = 0.01
"""Slices closer than this lie at one position."""
_DIRECTION_TOLERANCE = 1e-3
_MULTIPLE_TOLERANCE = 0.1
_SPACING_TOLERANCE_MM = 1e-4
_NO_OTHER_UNIT = (None, "HU", UNSPECIFIED)
_POSITION_TOLERANCE_MM = 0.1
"""Positions are often rounded to a tenth of a millimetre."""
_SHEAR_TOLERANCE = 0.1
"""How far the shifts of a sheared CT may be from a line, over the largest of them."""


@dataclass(frozen=True, kw_only=True)
class CtFacts:
    """Facts of a CT series that its headers tell; what is not known is `None`.

    Distances are known where there are two slices or more, all of one series, orientation and Frame
    of Reference: others say nothing.

    Parameters
    ----------
    n_slices, n_series, n_frames_of_reference : int
        Number of CT slices, of series and of Frames of Reference among them.
    orientation_consistent : bool
        Whether all slices have the same direction cosines (within 1e-3), orthogonal unit vectors.
    spacing_consistent : bool
        Whether all slices have the same pixel spacing (within 1e-4 mm) and size.
    sizes : tuple of str
        The sizes and pixel spacings that occur, in words.
    unscaled_at_mm : tuple of float
        Positions of slices without usable Rescale Slope and Intercept.
    rescale_types : tuple of str
        Rescale Types that occur and name another unit than HU; US (unspecified) names none.
    packed_bits : tuple of int
        Bits Allocated that occur and are no whole bytes.
    odd_pixels : tuple of str
        Forms of a pixel that occur and are none of CT Image Storage, in words.
    coinciding_at_mm : tuple of float
        Positions of slices that lie where the one before them lies (closer than 0.01 mm).
    slices_at_each : int
        How many slices lie at each position, if equally many do; else 0.
    shift_mm, shift_at_mm : float or None
        How far a slice is shifted within its plane against the first, at most, and where it is.
    is_sheared : bool
        Whether slices are shifted the more the farther they lie, as by a gantry tilt.
    median_gap_mm : float or None
        Median distance of neighbouring slices along the normal; `None` also where most coincide.
    largest_gap_ratio, largest_gap_after_mm : float or None
        Largest of these distances over the median one, and where the slice before it lies.
    missing_slices : int
        Slices that would fill the gaps that are multiples of the median distance, within a tenth.
    uneven_gaps_mm : tuple of float
        The distances that occur, where some are too large and no such multiples.
    even_gap_mm, off_grid_mm, off_grid_at_mm : float or None
        Distance of slices on an even grid between the outermost two, how far a slice is off this
        grid, at most, and where it is; `None` also where slices coincide or are missing.
    evenly_spaced : bool or None
        Whether none is off by more than 0.1 mm and 5 % of the median distance.
    """

    n_slices: int
    n_series: int
    n_frames_of_reference: int
    orientation_consistent: bool
    spacing_consistent: bool
    sizes: tuple[str, ...]
    unscaled_at_mm: tuple[float, ...]
    rescale_types: tuple[str, ...]
    coinciding_at_mm: tuple[float, ...] = ()
    slices_at_each: int = 1
    is_sheared: bool = True
    shift_mm: float | None = None
    shift_at_mm: float | None = None
    median_gap_mm: float | None = None
    largest_gap_ratio: float | None = None
    largest_gap_after_mm: float | None = None
    missing_slices: int = 0
    uneven_gaps_mm: tuple[float, ...] = ()
    packed_bits: tuple[int, ...] = ()
    odd_pixels: tuple[str, ...] = ()
    even_gap_mm: float | None = None
    off_grid_mm: float | None = None
    off_grid_at_mm: float | None = None
    evenly_spaced: bool | None = None


def ct_facts(headers: CtHeaders) -> CtFacts:
    """Collect the facts of a CT series.

    Parameters
    ----------
    headers : CtHeaders
        The slices without their pixels.
    """
    slices, positions = headers.slices, headers.slice_positions_mm.tolist()
    cosines = np.array([header.orientation for header in slices]).reshape(-1, 2, 3)
    spacings = np.array([header.pixel_spacing_mm for header in slices])
    sizes = {(one.rows, one.columns, *np.round(one.pixel_spacing_mm, 4)) for one in slices}
    facts = CtFacts(
        n_slices=len(slices),
        n_series=len({header.series_instance_uid for header in slices}),
        n_frames_of_reference=len({header.frame_of_reference_uid for header in slices}),
        orientation_consistent=bool(
            np.abs(cosines[0] @ cosines[0].T - np.eye(2)).max() <= _DIRECTION_TOLERANCE
            and np.abs(cosines - cosines[0]).max() <= _DIRECTION_TOLERANCE
        ),
        spacing_consistent=len({(header.rows, header.columns) for header in slices}) == 1
        and bool(np.abs(spacings - spacings[0]).max() <= _SPACING_TOLERANCE_MM),
        sizes=tuple("{} x {} of {:g} x {:g} mm".format(*size) for size in sorted(sizes)),
        unscaled_at_mm=tuple(
            position
            for one, position in zip(slices, positions, strict=True)
            if not one.rescale_slope or one.rescale_intercept is None
        ),
        rescale_types=tuple(
            sorted({kind for one in slices if (kind := one.rescale_type) not in _NO_OTHER_UNIT})
        ),
        packed_bits=tuple(sorted({one.bits_allocated or 16 for one in slices} - {8, 16, 32})),
        odd_pixels=tuple(sorted({odd for one in slices if (odd := one.odd_pixels)})),
    )
    is_one_stack = facts.n_series == facts.n_frames_of_reference == 1
    if len(slices) < 2 or not (is_one_stack and facts.orientation_consistent):
        return facts
    return replace(facts, **_distances(headers))


def _distances(headers: CtHeaders) -> dict[str, Any]:
    """Return the facts on the distances of slices that are of one stack, as far as they are
    known.
    """
    positions, gaps, normal = headers.slice_positions_mm, headers.slice_gaps_mm, headers.normal
    usual = float(np.median(gaps))
    drift = headers.positions_mm - headers.positions_mm[0]
    within = drift - np.outer(drift @ normal, normal)
    shift = np.linalg.norm(within, axis=1)
    along = positions - positions[0]
    steady = np.outer(along, along @ within) / (along @ along or 1.0)
    coinciding = np.flatnonzero(gaps < COINCIDING_MM) + 1
    places = np.split(positions, np.flatnonzero(gaps >= COINCIDING_MM) + 1)
    found: dict[str, Any] = {
        "coinciding_at_mm": tuple(positions[coinciding].tolist()),
        "slices_at_each": len(places[0]) if len({len(one) for one in places}) == 1 else 0,
        "is_sheared": bool(np.abs(within - steady).max() <= _SHEAR_TOLERANCE * shift.max()),
        "shift_mm": float(shift.max()),
        "shift_at_mm": float(positions[shift.argmax()]),
    }
    if usual < COINCIDING_MM:
        return found
    found |= {
        "median_gap_mm": usual,
        "largest_gap_ratio": float(gaps.max()) / usual,
        "largest_gap_after_mm": float(positions[gaps.argmax()]),
        **_gaps(gaps.tolist(), usual),
    }
    if not coinciding.size and found["largest_gap_ratio"] <= GAP_RATIO:
        off = np.abs(positions - np.linspace(positions[0], positions[-1], len(positions)))
        found |= {
            "even_gap_mm": float(gaps.mean()),
            "off_grid_mm": float(off.max()),
            "off_grid_at_mm": float(positions[off.argmax()]),
            "evenly_spaced": bool(off.max() <= max(_POSITION_TOLERANCE_MM, 0.05 * usual)),
        }
    return found


def _gaps(gaps_mm: list[float], usual_mm: float) -> dict[str, Any]:
    """Tell slices that are missing from slices that were made at unequal distances."""
    wide = [gap / usual_mm for gap in gaps_mm if gap > GAP_RATIO * usual_mm]
    if any(abs(ratio - round(ratio)) > _MULTIPLE_TOLERANCE for ratio in wide):
        found = sorted({round(gap, 2) for gap in gaps_mm})
        return {"uneven_gaps_mm": tuple(found), "missing_slices": 0}
    return {"missing_slices": sum(round(ratio) - 1 for ratio in wide)}


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers[:5])


def _coinciding_sentence(f: CtFacts) -> str:
    if f.slices_at_each == f.n_slices:
        return (
            f"All {counted(f.n_slices, 'slice')} of the CT say that they lie at "
            f"{f.coinciding_at_mm[0]:.2f} mm, expected one at each position: Image Position "
            "(0020,0032) was changed on the way, as by an anonymiser, or they are of one place at "
            "several times. Send the series as the scanner made it."
        )
    if f.slices_at_each > 1:
        return (
            f"The CT has {counted(f.slices_at_each, 'slice')} at each of its "
            f"{counted(f.n_slices // f.slices_at_each, 'position')}, expected one: phases of a 4D "
            "CT or several reconstructions are in one series, or it came twice under other UIDs. "
            "Send the one that was contoured as a series of its own, or export the RTSTRUCT with a "
            "list of all its slices."
        )
    return (
        f"The CT has {counted(len(f.coinciding_at_mm), 'slice')} where another lies, the first at "
        f"{f.coinciding_at_mm[0]:.2f} mm, expected one at each position. Send the series once, "
        "without repeats."
    )


def _shift_sentence(f: CtFacts) -> str:
    shift = f"shifted by {f.shift_mm:.2f} mm within its plane, expected 0."
    if f.is_sheared:
        return (
            f"The CT is sheared (gantry tilt): the slice at {f.shift_at_mm:.2f} mm is {shift} Send "
            "a reconstruction that is corrected for tilt."
        )
    return (
        "The CT's slices do not lie above each other, and not as by a gantry tilt: the slice at "
        f"{f.shift_at_mm:.2f} mm is {shift} They are of reconstructions about several centres, or "
        "of several acquisitions. Send one reconstruction of one acquisition."
    )


_refusal = partial(Rule, error=CtGeometryError)
CT_RULES = (
    _refusal(
        "too-few-slices",
        "n_slices",
        Between(2),
        "at least 2 CT slices",
        lambda f: (
            f"The CT has {counted(f.n_slices, 'slice')}, expected at least 2. Send the whole "
            "series."
        ),
    ),
    _refusal(
        "mixed-series",
        "n_series",
        Between(1, 1),
        "CT slices of one series",
        lambda f: (
            f"The CT slices are of {f.n_series} series, expected one. Send "
            "the series that was contoured."
        ),
    ),
    _refusal(
        "mixed-frame-of-reference",
        "n_frames_of_reference",
        Between(1, 1),
        "CT slices in one Frame of Reference",
        lambda f: (
            f"The CT slices have {f.n_frames_of_reference} Frames of Reference, "
            "expected one. Send the series as the scanner made it."
        ),
    ),
    _refusal(
        "mixed-orientation",
        "orientation_consistent",
        TRUE,
        "CT slices with the same direction cosines",
        lambda _: (
            "The CT slices do not share one orientation of orthogonal unit vectors (within 0.001), "
            "expected parallel slices. Send the axial series without its scout or reformats."
        ),
    ),
    _refusal(
        "mixed-spacing",
        "spacing_consistent",
        TRUE,
        "CT slices of one size and pixel spacing",
        lambda f: (
            "The CT slices differ in size or pixel spacing (rows, columns, distance of rows and "
            f"of columns), expected one, found {', '.join(f.sizes[:4])}. Send one reconstruction."
        ),
    ),
    _refusal(
        "duplicate-slice",
        "coinciding_at_mm",
        Between(None, 0),
        "one CT slice at each position",
        _coinciding_sentence,
    ),
    _refusal(
        "unequal-spacing",
        "uneven_gaps_mm",
        Between(None, 0),
        "CT slices at one distance throughout",
        lambda f: (
            f"The CT slices lie {_listed(f.uneven_gaps_mm)} mm apart, expected "
            f"{f.median_gap_mm:.2f} mm throughout: no slice is missing, they were made so. Send a "
            "reconstruction of constant spacing."
        ),
    ),
    _refusal(
        "missing-slice",
        "missing_slices",
        Between(None, 0),
        "evenly spaced CT slices, none missing",
        lambda f: (
            f"The CT lacks {counted(f.missing_slices, 'slice')}: after the slice at "
            f"{f.largest_gap_after_mm:.2f} mm the next is "
            f"{f.largest_gap_ratio * f.median_gap_mm:.2f} mm away, expected "
            f"{f.median_gap_mm:.2f} mm. Send the missing slices."
        ),
    ),
    _refusal(
        "irregular-spacing",
        "evenly_spaced",
        TRUE,
        "CT slices at equal distances",
        lambda f: (
            f"The CT slice at {f.off_grid_at_mm:.2f} mm is {f.off_grid_mm:.2f} mm off the regular "
            f"grid of {f.even_gap_mm:.3f} mm, expected evenly spaced slices. Send one "
            "reconstruction of constant spacing."
        ),
    ),
    _refusal(
        "gantry-tilt",
        "shift_mm",
        Between(None, _POSITION_TOLERANCE_MM),
        "CT slices right above each other, without gantry tilt",
        _shift_sentence,
    ),
    _refusal(
        "packed-pixels",
        "packed_bits",
        Between(None, 0),
        "pixels of 8 or 16 bits",
        lambda f: (
            f"The CT's pixels are packed into {', '.join(map(str, f.packed_bits))} bits each "
            "(Bits Allocated (0028,0100)), expected 16, which CT Image Storage asks for (PS3.3 "
            "C.8.2.1.1.4). Let the sending system convert the series."
        ),
    ),
    _refusal(
        "pixel-form",
        "odd_pixels",
        Between(None, 0),
        "grey pixels, stored from bit 0",
        lambda f: (
            f"The CT's pixels are {' and '.join(f.odd_pixels[:3])}, expected one grey sample each, "
            "stored from bit 0 up to High Bit (0028,0102), one less than Bits Stored (0028,0101; "
            "PS3.3 C.8.2.1.1): their values cannot be told. Let the sending system mend the series."
        ),
    ),
    _refusal(
        "no-rescale",
        "unscaled_at_mm",
        Between(None, 0),
        "a Rescale Slope and Intercept in every CT slice",
        lambda f: (
            f"The CT has {counted(len(f.unscaled_at_mm), 'slice')}, the first at "
            f"{f.unscaled_at_mm[0]:.2f} mm, without a usable Rescale Slope and Intercept, expected "
            "both: the values are not Hounsfield "
            "units (PS3.3 C.8.2.1). Send the series as the scanner made it."
        ),
    ),
    _refusal(
        "not-hounsfield",
        "rescale_types",
        Between(None, 0),
        "CT values in Hounsfield units",
        lambda f: (
            f"The CT slices have Rescale Type {', '.join(map(repr, f.rescale_types))}, expected "
            "HU. Send the reconstruction in Hounsfield units."
        ),
    ),
)
"""Without them no regular volume in HU can be made (paper, data: planning CT)."""
