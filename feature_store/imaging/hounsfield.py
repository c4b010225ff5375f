"""From stored pixel values to Hounsfield units, and which of them are no part of the image.

Pixels outside the reconstruction circle are no part of the image: PS3.3 section C.7.5.1.1.2 lets a
scanner name their value (Pixel Padding Value, with Pixel Padding Range Limit a range), and many
write -2000, -3024 or the like without naming it. Nothing in a patient is below air, so all of them
are air to whoever computes on the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from feature_store.imaging.ct_headers import UNREADABLE

OUTSIDE_IMAGE: np.float32 = np.float32(-np.inf)
"""What a padded pixel is in a `CtVolume` before the floor is applied."""
_OVERLAY_GROUPS, _OVERLAY_BITS_ALLOCATED = range(0x6000, 0x6100, 2), 0x0100
NOT_MEASURED_HU = -1500.0
"""Nothing that was measured lies below, whatever the noise: it is padding that is not named."""


@dataclass(frozen=True)
class Padding:
    """The stored values that are no part of the image (PS3.3 section C.7.5.1.1.2).

    Parameters
    ----------
    value : int
        Pixel Padding Value (0028,0120).
    limit : int or None
        Pixel Padding Range Limit (0028,0121): the other end of the range, both ends included.
    """

    value: int
    limit: int | None = None

    def highest_hu(self, slope: float, intercept: float) -> float:
        """Return the highest of the values in HU."""
        ends = (self.value, self.value if self.limit is None else self.limit)
        return max(end * slope + intercept for end in ends)

    def marks(self, stored: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Say of each stored value whether it is padding."""
        low, high = sorted((self.value, self.value if self.limit is None else self.limit))
        return np.asarray((stored >= low) & (stored <= high), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class BeyondBits:
    """Pixels that use bits above Bits Stored (0028,0101), so that they are read as other values.

    Parameters
    ----------
    where : ndarray of bool
        Which pixels of the slice.
    values : ndarray of int
        What they are with all their bits.
    """

    where: npt.NDArray[np.bool_]
    values: npt.NDArray[np.integer]

    @property
    def first(self) -> int:
        """The value of the first of them."""
        return int(self.values[self.where][0])

    def without(self, padding: Padding | None) -> BeyondBits:
        """Return those that are no padding: its value (0028,0120) may need more bits than are
        stored, such as -2000 among 12 bits without sign.
        """
        if padding is None:
            return self
        return BeyondBits(self.where & ~padding.marks(self.values), self.values)


def beyond_bits(
    image: Dataset, stored: npt.NDArray[np.integer], slope: float, intercept: float
) -> BeyondBits | None:
    """Return which pixels of a slice use bits above Bits Stored, or the sign's, for a value; `None`
    where none does.

    Those bits are no part of a value (PS3.5 section 8.1.1), and may hold overlays where these say
    so (PS3.3 section C.9.2, retired). Elsewhere whoever wrote them meant the whole value, and left
    Bits Stored or Pixel Representation (0028,0103) as they were: metal of 3500 would be read as
    -596 from 12 signed bits, which is air.

    Parameters
    ----------
    image : Dataset
        The Image Pixel module of the slice with its pixel data and file meta information.
    stored : ndarray of int, shape (y, x)
        Its values of Bits Stored bits.
    slope, intercept : float
        Rescale Slope and Intercept (PS3.3 section C.11.1).
    """
    allocated, bits = int(image.BitsAllocated), int(image.BitsStored)
    syntax = image.file_meta.TransferSyntaxUID
    if bits >= allocated or syntax.is_compressed or _has_overlay_bits(image):
        return None
    is_signed = image.PixelRepresentation == 1
    order = "<" if syntax.is_little_endian else ">"
    kind = f"{order}{'i' if is_signed else 'u'}{allocated // 8}"
    whole = np.frombuffer(image.PixelData, kind, stored.size).reshape(stored.shape)
    where = whole != stored
    if is_signed and where.any() and whole.min() >= 0 and whole.max() < 1 << bits:
        # Negative values whose sign was not carried into the upper bits, or none that are negative:
        # several that nothing in a patient has, while padding is one.
        where &= stored * slope + intercept < NOT_MEASURED_HU
        if np.unique(stored[where]).size < 2:
            return None
    return BeyondBits(where, whole) if where.any() else None


def _has_overlay_bits(image: Dataset) -> bool:
    """Say whether an overlay plane lies in the pixels: its Overlay Bits Allocated (60xx,0100) is
    not that of a plane of its own.
    """
    for tag in image.keys():  # noqa: SIM118 - iterating a Dataset gives elements
        if tag.group in _OVERLAY_GROUPS and tag.elem == _OVERLAY_BITS_ALLOCATED:
            try:
                bits = int(image[tag].value)
            except UNREADABLE:  # says as little as no value
                continue
            if bits != 1:
                return True
    return False


def put_hounsfield(
    hu: npt.NDArray[np.float32],
    stored: npt.NDArray[np.integer],
    slope: float,
    intercept: float,
    padding: Padding | None,
) -> None:
    """Put the HU of stored values in their place, and `OUTSIDE_IMAGE` where they are padding.

    Parameters
    ----------
    hu : ndarray of float32
        The slice of a volume; is filled.
    stored : ndarray of int
        Pixel values of the slice, of the same shape.
    slope, intercept : float
        Rescale Slope and Intercept (PS3.3 section C.11.1).
    padding : Padding or None
        Which values are no part of the image.
    """
    np.add(stored * np.float64(slope), intercept, out=hu, casting="same_kind")
    if padding is not None:
        hu[padding.marks(stored)] = OUTSIDE_IMAGE


def padding_of(image: Dataset) -> Padding | None:
    """Return what the Image Pixel module of a slice names as padding, or `None`.

    The values are of the kind of the pixels (PS3.3 section C.7.6.3.1.2, US or SS); writers that
    give them as the other kind mean the same bits.
    """
    value = _as_stored(image, "PixelPaddingValue")
    return None if value is None else Padding(value, _as_stored(image, "PixelPaddingRangeLimit"))


def _as_stored(image: Dataset, keyword: str) -> int | None:
    """Return a value as a pixel with the same bits would be read."""
    try:
        value = image.get(keyword)
        if isinstance(value, bytes):  # US or SS in Implicit VR, which does not say which
            value = int.from_bytes(value[:2], "little") if len(value) >= 2 else None
        bits = int(image.BitsAllocated)
        number = int(value) % (1 << bits) if value is not None else None
    except UNREADABLE:  # says as little as no value
        return None
    if number is None:
        return None
    is_signed = image.get("PixelRepresentation") == 1
    return number - (1 << bits) if is_signed and number >= 1 << (bits - 1) else number
