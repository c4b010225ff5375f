"""Seven random changes of a tumour's image, so that the network does not learn a scanner (paper,
'Data augmentation').

Contrast, brightness, gamma, Gaussian noise, blur, mirroring and rotation, each in three dimensions
and on z-scored voxels. A patient's changes in an epoch follow from seed, epoch and position alone,
so a training that was interrupted continues with the same images.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from models.errors import TrainingError

Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed; the paper names the changes, not their ranges.

    Parameters
    ----------
    probability : float
        Of each change by itself; 0 changes nothing.
    contrast : float
        Factor on the distance from the mean, 1 - contrast to 1 + contrast.
    brightness : float
        Added to every voxel, up to so many standard deviations either way.
    gamma : float
        Exponent on the voxels scaled to 0..1, between 1 / (1 + gamma) and 1 + gamma.
    noise : float
        Largest standard deviation of Gaussian noise, in standard deviations of the image.
    blur_voxels : float
        Largest sigma of a Gaussian blur.
    rotation_degrees : float
        Largest angle about an axis of random direction.
    mirror : bool
        Whether each axis may be mirrored.

    Raises
    ------
    TrainingError
        If a range is negative, or a probability or contrast above 1.
    """

    probability: float = 0.5
    contrast: float = 0.2
    brightness: float = 0.2
    gamma: float = 0.2
    noise: float = 0.1
    blur_voxels: float = 1.0
    rotation_degrees: float = 15.0
    mirror: bool = True

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            most = 1.0 if item.name in {"probability", "contrast"} else np.inf
            if not 0 <= value <= most:
                raise TrainingError(
                    f"The augmentation's {item.name} is {value}: use 0 or more"
                    + (", up to 1." if most == 1 else ".")
                )


def augment(volume: Volume, ranges: Augmentation, random: np.random.Generator) -> Volume:
    """Change one image.

    Parameters
    ----------
    volume : ndarray of float32, shape (z, y, x)
        A z-scored image.
    ranges : Augmentation
        How far.
    random : numpy.random.Generator
        Source of every choice; the number of draws does not depend on the ranges.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
    """
    chosen = random.random(7) < ranges.probability
    amount = random.uniform(-1, 1, 6)
    axis, mirrored = random.normal(size=3), random.random(3) < 0.5
    image = volume
    if chosen[0] and ranges.mirror:
        image = np.flip(image, tuple(int(number) for number in np.flatnonzero(mirrored)))
    if chosen[1] and ranges.rotation_degrees:
        image = rotate(image, axis, ranges.rotation_degrees * float(amount[0]))
    if chosen[2] and ranges.blur_voxels:
        image = gaussian_filter(
            image, ranges.blur_voxels * abs(float(amount[1])), mode="nearest", truncate=3.0
        )
    if chosen[3]:
        image = image.mean() + (1 + ranges.contrast * float(amount[2])) * (image - image.mean())
    if chosen[4]:
        image = image + ranges.brightness * float(amount[3])
    if chosen[5] and ranges.gamma:
        low, high = float(image.min()), float(image.max())
        if high > low:
            image = low + (high - low) * ((image - low) / (high - low)) ** (
                (1 + ranges.gamma) ** float(amount[4])
            )
    if chosen[6] and ranges.noise:
        image = image + ranges.noise * abs(float(amount[5])) * random.standard_normal(
            image.shape, dtype=np.float32
        )
    return np.ascontiguousarray(image, dtype=np.float32)


def rotate(volume: Volume, axis: NDArray[np.float64], degrees: float) -> Volume:
    """Rotate about the centre by linear interpolation; what comes from outside has the value at the
    edge.
    """
    direction = axis / np.linalg.norm(axis)
    matrix = Rotation.from_rotvec(np.deg2rad(degrees) * direction).as_matrix()
    center = (np.array(volume.shape) - 1) / 2
    rotated: Volume = affine_transform(
        volume, matrix, center - matrix @ center, order=1, mode="nearest"
    )
    return rotated


def augmented_batch(
    volumes: Volume, rows: NDArray[np.intp], ranges: Augmentation, seed: int, epoch: int
) -> Volume:
    """Return the images at `rows`, changed as seed, epoch and row say.

    Parameters
    ----------
    volumes : ndarray of float32, shape (n, z, y, x, 1)
        All images.
    rows : ndarray of int, shape (k,)
        Positions of the batch.
    ranges : Augmentation
        How far.
    seed, epoch : int
        Of the training.

    Returns
    -------
    ndarray of float32, shape (k, z, y, x, 1)
    """
    if ranges.probability == 0:
        return volumes[rows]
    changed = [
        augment(volumes[row, ..., 0], ranges, np.random.default_rng((seed, epoch, int(row))))
        for row in rows
    ]
    return np.stack(changed)[..., np.newaxis]
