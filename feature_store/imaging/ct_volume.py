"""A CT series as one regular volume in Hounsfield units, or the sentence that says why it is
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK

from feature_store.errors import CtGeometryError, UnreadableInstance
from feature_store.imaging.ct_headers import (
    UNREADABLE,
    Acquisition,
    CtHeaders,
    SliceHeader,
    read_ct_headers,
)

__all__ = [
    "Acquisition",
    "CtHeaders",
    "CtVolume",
    "SliceHeader",
    "check_geometry",
    "read_ct_headers",
    "read_ct_volume",
]

_POSITION_TOLERANCE_MM = 0.1
"""Positions are often rounded to a tenth of a millimetre."""


@dataclass(frozen=True, eq=False)
class CtVolume:
    """A CT on a regular grid.

    Parameters
    ----------
    hu : ndarray of float32, shape (z, y, x)
        Hounsfield units; slices ascend along the normal.
    spacing_mm : tuple of 3 float
        Distance of voxel centres along (x, y, z) of the grid, in mm.
    origin_mm : tuple of 3 float
        Centre of voxel (0, 0, 0) in patient coordinates (LPS), in mm.
    direction : tuple of 9 float
        Row-major direction cosines as in SimpleITK; its columns are the grid's x, y and z axis.
    frame_of_reference_uid : str or None
        Frame of Reference of the positions.
    series_instance_uid : str
        The series that the slices are of.
    acquisition : Acquisition
        How it was acquired.

    Raises
    ------
    CtGeometryError
        If the parts do not fit each other.
    """

    hu: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]
    frame_of_reference_uid: str | None
    series_instance_uid: str
    acquisition: Acquisition

    def __post_init__(self) -> None:
        axes = np.asarray(self.direction, dtype=np.float64)
        fits = (
            self.hu.ndim == 3
            and self.hu.dtype == np.float32
            and axes.shape == (9,)
            and min(self.spacing_mm) > 0
            and np.abs(axes.reshape(3, 3).T @ axes.reshape(3, 3) - np.eye(3)).max() < 1e-6
        )
        if not fits:
            raise CtGeometryError(
                "ct-volume",
                "A CT volume needs float32 values (z, y, x), positive "
                f"spacing and orthogonal axes; found shape {self.hu.shape}, type {self.hu.dtype}, "
                f"spacing {self.spacing_mm} mm.",
            )
        self.hu.setflags(write=False)

    @property
    def axes(self) -> npt.NDArray[np.float64]:
        """Unit axes of the grid as columns (x, y, z), shape (3, 3)."""
        return np.asarray(self.direction, dtype=np.float64).reshape(3, 3)

    def to_index(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return continuous grid indices (x, y, z) of points (x, y, z) in mm, both of shape (n,
        3).
        """
        relative = points_mm - np.asarray(self.origin_mm)
        return np.asarray(relative @ self.axes / np.asarray(self.spacing_mm), dtype=np.float64)

    def with_values(self, hu: npt.NDArray[np.float32]) -> CtVolume:
        """Return the same grid with other values, shape (z, y, x)."""
        return replace(self, hu=hu)

    def to_image(self) -> Any:
        """Return the volume as a `SimpleITK.Image` of float32."""
        return self.image_of(self.hu)

    def image_of(self, values: npt.NDArray[Any]) -> Any:
        """Return an array of the volume's shape as a `SimpleITK.Image` on the volume's grid."""
        image: Any = SimpleITK.GetImageFromArray(values)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def read_ct_volume(paths: Sequence[Path]) -> CtVolume:
    """Read a CT series as one regular volume.

    Parameters
    ----------
    paths : sequence of Path
        Files of CT Image Storage, in any order.

    Returns
    -------
    CtVolume
        Slices sorted along the normal, each rescaled by its own slope and intercept (PS3.3 C.11.1).

    Raises
    ------
    UnreadableInstance
        If a file is not a CT or lacks bytes.
    CtGeometryError
        If the slices do not form one regular volume in HU: the sentence says where and what was
        expected.
    """
    headers = read_ct_headers(paths)
    check_geometry(headers)
    first = headers.slices[0]
    hu = np.empty((len(headers.slices), first.rows, first.columns), dtype=np.float32)
    for index, header in enumerate(headers.slices):
        hu[index] = _hounsfield(header, headers.slice_positions_mm[index])
    row = np.asarray(first.orientation[:3]) / np.linalg.norm(first.orientation[:3])
    normal = headers.normal
    gaps = headers.slice_gaps_mm
    return CtVolume(
        hu=hu,
        spacing_mm=(
            first.pixel_spacing_mm[1],
            first.pixel_spacing_mm[0],
            round(float(gaps.mean()), 6),
        ),  # positions carry about 1e-12 of noise
        origin_mm=(first.position_mm[0], first.position_mm[1], first.position_mm[2]),
        direction=tuple(np.column_stack([row, np.cross(normal, row), normal]).ravel().tolist()),
        frame_of_reference_uid=first.frame_of_reference_uid,
        series_instance_uid=first.series_instance_uid,
        acquisition=first.acquisition,
    )


def check_geometry(headers: CtHeaders) -> None:
    """Raise `CtGeometryError` unless the slices form one regular volume in HU."""
    count = len(headers.slices)
    if count < 2:
        raise CtGeometryError(
            "one-slice", "The CT has 1 slice: expected at least 2. Send the whole series."
        )
    _check_sameness(headers)
    _check_positions(headers)
    for header, position in zip(headers.slices, headers.slice_positions_mm, strict=True):
        if (
            header.rescale_slope is None
            or header.rescale_intercept is None
            or header.rescale_slope == 0
        ):
            raise CtGeometryError(
                "no-rescale",
                f"The CT slice at {position:.2f} mm has no usable Rescale Slope and Intercept, so "
                "its values are not Hounsfield units (PS3.3 C.8.2.1). Send the series as the "
                "scanner made it.",
            )
        if header.rescale_type not in (None, "HU"):
            raise CtGeometryError(
                "not-hounsfield",
                f"The CT slice at {position:.2f} mm has Rescale Type {header.rescale_type!r}: "
                "expected HU. Send the reconstruction in Hounsfield units.",
            )


def _check_sameness(headers: CtHeaders) -> None:
    if not headers.one_series:
        series = len({header.series_instance_uid for header in headers.slices})
        raise CtGeometryError(
            "mixed-series",
            f"The CT slices are of {series} series: expected 1. Send the series that was "
            "contoured.",
        )
    if len(headers.frame_of_reference_uids) > 1:
        raise CtGeometryError(
            "mixed-frame-of-reference",
            f"The CT slices have {len(headers.frame_of_reference_uids)} Frames of Reference: "
            "expected 1.",
        )
    if not headers.orientation_consistent:
        raise CtGeometryError(
            "mixed-orientation",
            "The CT slices do not share one orientation of orthogonal unit vectors (within "
            "0.001): expected parallel slices. Send the axial series without its scout or "
            "reformats.",
        )
    if not headers.spacing_consistent:
        found = sorted(
            {
                (h.rows, h.columns, *(round(s, 4) for s in h.pixel_spacing_mm))
                for h in headers.slices
            }
        )
        raise CtGeometryError(
            "mixed-size",
            "The CT slices differ in size or pixel spacing (rows, columns, row and column "
            f"spacing in mm): found {found[:4]}, expected one. Send one reconstruction.",
        )


def _check_positions(headers: CtHeaders) -> None:
    positions, gaps = headers.slice_positions_mm, headers.slice_gaps_mm
    usual = float(np.median(gaps))
    if (twice := np.flatnonzero(gaps < 0.01)).size:
        raise CtGeometryError(
            "duplicate-position",
            f"{twice.size + 1 if twice.size == 1 else 'Several'} CT slices are at the same "
            f"position {positions[twice[0]]:.2f} mm: expected one slice at each. Send the series "
            "once, without repeats.",
        )
    if (wide := np.flatnonzero(gaps > 1.5 * usual)).size:
        at = wide[0]
        lacking = sum(max(1, round(float(gaps[n]) / usual) - 1) for n in wide)
        raise CtGeometryError(
            "missing-slice",
            f"The CT lacks {lacking} slice(s): between {positions[at]:.2f} mm and "
            f"{positions[at + 1]:.2f} mm the gap is {gaps[at]:.2f} mm, expected {usual:.2f} mm. "
            "Send the missing slices.",
        )
    regular = positions[0] + np.arange(len(positions)) * gaps.mean()
    off = np.abs(positions - regular)
    if (worst := int(off.argmax())) and off[worst] > max(_POSITION_TOLERANCE_MM, 0.05 * usual):
        raise CtGeometryError(
            "irregular-spacing",
            f"The CT slice at {positions[worst]:.2f} mm is {off[worst]:.2f} mm off the regular "
            f"grid of {gaps.mean():.3f} mm: expected evenly spaced slices. Send one "
            "reconstruction of constant spacing.",
        )
    drift = (
        headers.positions_mm
        - headers.positions_mm[0]
        - np.outer(positions - positions[0], headers.normal)
    )
    shift = np.linalg.norm(drift, axis=1)
    if (worst := int(shift.argmax())) and shift[worst] > _POSITION_TOLERANCE_MM:
        raise CtGeometryError(
            "gantry-tilt",
            f"The CT is sheared (gantry tilt): the slice at {positions[worst]:.2f} mm is shifted "
            f"by {shift[worst]:.2f} mm within its plane, expected 0. Send a reconstruction that "
            "is corrected for tilt.",
        )


def _hounsfield(header: SliceHeader, position_mm: float) -> npt.NDArray[np.float32]:
    try:
        stored = pydicom.dcmread(header.path).pixel_array
    except (*UNREADABLE, RuntimeError) as error:
        raise UnreadableInstance(
            "truncated-pixels",
            f"The pixels of the CT slice at {position_mm:.2f} mm cannot be read "
            f"({type(error).__name__}): expected {header.rows} x {header.columns} values. Send "
            "the slice again, uncompressed.",
        ) from error
    if stored.shape != (header.rows, header.columns):
        raise UnreadableInstance(
            "pixel-shape",
            f"The CT slice at {position_mm:.2f} mm has pixels of shape {stored.shape}: expected "
            f"one grey frame of {header.rows} x {header.columns}.",
        )
    slope, intercept = header.rescale_slope or 1.0, header.rescale_intercept or 0.0
    return np.asarray(stored * np.float64(slope) + intercept, dtype=np.float32)
