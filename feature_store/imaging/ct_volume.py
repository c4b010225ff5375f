"""A CT series as one regular volume in Hounsfield units, or the sentence that says why it is
none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

from feature_store.errors import CtGeometryError, UnreadableInstance
from feature_store.imaging.ct_extent import CtExtent
from feature_store.imaging.ct_headers import UNREADABLE, Acquisition, SliceHeader
from feature_store.imaging.ct_rules import CT_RULES, ct_facts
from feature_store.imaging.hounsfield import (
    OUTSIDE_IMAGE,
    BeyondBits,
    beyond_bits,
    padding_of,
    put_hounsfield,
)
from feature_store.imaging.reading import CtReading
from feature_store.rules import refuse
from feature_store.wording import counted


@dataclass(frozen=True, eq=False)
class CtVolume:
    """A CT on a regular grid.

    Parameters
    ----------
    hu : ndarray of float32, shape (z, y, x)
        Hounsfield units, minus infinity where nothing was measured; slices ascend along the normal.
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
    padding_hu : float
        The highest value that is named as padding, in HU; minus infinity where none is.

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
    padding_hu: float = -math.inf

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

    @property
    def extent(self) -> CtExtent:
        """Where the CT lies in the patient."""
        return CtExtent(
            frozenset({self.frame_of_reference_uid}),
            np.asarray(self.origin_mm),
            self.axes,
            np.asarray(self.spacing_mm),
            np.array(self.hu.shape[::-1]),
        )

    def to_index(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return continuous grid indices (x, y, z) of points (x, y, z) in mm, both of shape (n,
        3).
        """
        relative = points_mm - np.asarray(self.origin_mm)
        return np.asarray(relative @ self.axes / np.asarray(self.spacing_mm), dtype=np.float64)

    def with_floor(self, floor_hu: float) -> CtVolume:
        """Return the same CT in which what was not measured, and all below `floor_hu`, is
        `floor_hu`; the CT itself where that is so already.
        """
        if self.hu.min() >= floor_hu:
            return self
        return self.with_values(np.maximum(self.hu, np.float32(floor_hu)))

    def with_values(self, hu: npt.NDArray[np.float32]) -> CtVolume:
        """Return the same grid with other values, shape (z, y, x)."""
        return replace(self, hu=hu)

    def without_voxels(self) -> CtVolume:
        """Return the same grid, whose values are all 0 and take no memory."""
        return self.with_values(np.broadcast_to(np.float32(0), self.hu.shape))

    def given_up(self) -> npt.NDArray[np.float32] | None:
        """Return the memory of the voxels, shape (z, y, x), to be written over by whoever reads
        this CT last; `None` where it is not this CT's own.
        """
        if not (self.hu.flags.owndata and self.hu.flags.c_contiguous):
            return None
        self.hu.setflags(write=True)
        memory = self.hu[:]
        self.hu.setflags(write=False)
        return memory

    def to_image(self) -> Any:
        """Return the volume as a `SimpleITK.Image` of float32."""
        return self.image_of(self.hu)

    def image_of(self, values: npt.NDArray[Any]) -> Any:
        """Return an array of the volume's shape as a `SimpleITK.Image` on the volume's grid."""
        # 90 MB, which scoring does without
        import SimpleITK  # noqa: PLC0415

        image: Any = SimpleITK.GetImageFromArray(values)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def ct_volume(reading: CtReading) -> CtVolume:
    """Make one regular volume of a CT series, and take its pixels.

    Parameters
    ----------
    reading : CtReading
        The slices, whose pixels nobody has taken before.

    Returns
    -------
    CtVolume
        Slices sorted along the normal, each rescaled by its own slope and intercept (PS3.3 C.11.1).

    Raises
    ------
    UnreadableInstance
        If a slice lacks pixels, or has values that its bits cannot hold.
    CtGeometryError
        If the slices do not form one regular volume in HU: the sentence says where and what was
        expected.
    """
    headers = reading.headers
    refuse(CT_RULES, ct_facts(headers))
    first = headers.slices[0]
    padding_hu = -math.inf
    hu = np.empty((len(headers.slices), first.rows, first.columns), dtype=np.float32)
    for index, (header, position) in enumerate(
        zip(headers.slices, headers.slice_positions_mm.tolist(), strict=True)
    ):
        image = reading.pixels.take(header.number)
        slope, intercept = header.rescale_slope or 1.0, header.rescale_intercept or 0.0
        stored, padding = _stored_pixels(image, header, position), padding_of(image)
        put_hounsfield(hu[index], stored, slope, intercept, padding)
        if padding is not None:
            padding_hu = max(padding_hu, padding.highest_hu(slope, intercept))
        beyond = beyond_bits(image, stored, slope, intercept)
        if beyond is not None:
            _refuse_beyond(beyond.without(padding), header, position)
            hu[index][beyond.where] = OUTSIDE_IMAGE
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
        padding_hu=padding_hu,
    )


def _refuse_beyond(beyond: BeyondBits, header: SliceHeader, position_mm: float) -> None:
    """Refuse values that Bits Stored cannot hold; what is padding may be none of them."""
    if not beyond.where.any():
        return
    count = int(np.count_nonzero(beyond.where))
    raise UnreadableInstance(
        "pixel-range",
        f"The CT slice at {position_mm:.2f} mm has {counted(count, 'pixel')} beyond the "
        f"{header.bits_stored} bits that it says are stored (Bits Stored (0028,0101)), the first "
        f"of the value {beyond.first}: expected values that these bits hold, since of others only "
        "a part is read (PS3.5 section 8.1.1). Let the sending system mend Bits Stored or Pixel "
        "Representation (0028,0103), or name the padding in Pixel Padding Value (0028,0120).",
    )


def _stored_pixels(
    image: Dataset, header: SliceHeader, position_mm: float
) -> npt.NDArray[np.integer]:
    try:
        stored = pixel_array(image)
    except (*UNREADABLE, RuntimeError) as error:
        raise UnreadableInstance(
            "truncated-pixels",
            f"The pixels of the CT slice at {position_mm:.2f} mm cannot be read "
            f"({type(error).__name__}): expected {header.rows} x "
            f"{header.columns} values. Send the slice again, uncompressed.",
        ) from error
    if stored.shape != (header.rows, header.columns):
        raise UnreadableInstance(
            "pixel-shape",
            f"The CT slice at {position_mm:.2f} mm has pixels of shape {stored.shape}: expected "
            f"one grey frame of {header.rows} x {header.columns}. Send single-frame CT images.",
        )
    return stored
