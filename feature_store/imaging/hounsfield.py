"""From stored pixel values to Hounsfield units: what is no part of the image, and the floor below
which there is nothing.

Pixels outside the reconstruction circle are no part of the image: PS3.3 section C.7.5.1.1.2 lets a
scanner name their value (Pixel Padding Value, with Pixel Padding Range Limit a range), and many
write -2000, -3024 or the like without naming it. Nothing in a patient is below air, so all of them
are air to whoever computes on the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.imaging.ct_volume import CtVolume

OUTSIDE_IMAGE: np.float32 = np.float32(-np.inf)
"""What a padded pixel is in a `CtVolume` before the floor is applied."""


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

    def marks(self, stored: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Say of each stored value whether it is padding."""
        low, high = sorted((self.value, self.value if self.limit is None else self.limit))
        return np.asarray((stored >= low) & (stored <= high), dtype=np.bool_)


def hounsfield(
    stored: npt.NDArray[np.integer], slope: float, intercept: float, padding: Padding | None
) -> npt.NDArray[np.float32]:
    """Return HU of stored values, and `OUTSIDE_IMAGE` where they are padding.

    Parameters
    ----------
    stored : ndarray of int
        Pixel values of one slice.
    slope, intercept : float
        Rescale Slope and Intercept (PS3.3 section C.11.1).
    padding : Padding or None
        Which values are no part of the image.
    """
    values = np.asarray(stored * np.float64(slope) + intercept, dtype=np.float32)
    if padding is not None:
        values[padding.marks(stored)] = OUTSIDE_IMAGE
    return values


def with_floor(volume: CtVolume, floor_hu: float) -> CtVolume:
    """Return a CT in which padding and everything below `floor_hu` is `floor_hu`.

    Parameters
    ----------
    volume : CtVolume
        HU, with `OUTSIDE_IMAGE` where nothing was measured.
    floor_hu : float
        HU of air, of which the definition of the unit makes -1000.
    """
    hu = np.maximum(volume.hu, np.float32(floor_hu))
    return volume.with_values(hu)
