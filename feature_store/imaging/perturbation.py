"""Contours as other readers might have drawn them: the surface of a GTV moved by a smooth random
field.

A voxel belongs to a perturbed contour where its signed distance to the drawn surface is at most the
displacement there. The displacement is a Gaussian field over the patient, along the surface's
normal. What is added at random grows the outside of a curved surface by more voxels than it takes
from the inside, and few contours of a small tumour may be larger by chance; so the mean of all
displacements is shifted until the contours' mean volume is that of the drawn one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.imaging.boxed_mask import BoxedMask, Mask, bounding_box

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_NODES = 3
"""Nodes of the random field in a correlation length: the field between them is exact to 1e-6."""
_REACH_SDS = 4.0
"""How far a node is felt, in standard deviations of its kernel."""
_HALVINGS = 50


@dataclass(frozen=True)
class Perturbation:
    """How far other readers' contours may lie from the drawn one.

    Parameters
    ----------
    sd_mm : float
        Standard deviation of the displacement. 1.2 mm is the order of simulated readers of 661
        patients with lung cancer, within 1.18 mm [1]_. Seven radiation oncologists differed by 2.6
        to 3.3 mm [2]_, so that the default tells of careful readers who agree on what is tumour.
    correlation_mm : float
        Distance over which the correlation of the displacement falls to 1/e: readers differ over
        parts of a surface, not from voxel to voxel. 10 mm is our choice, some slices and about a
        quarter of a usual GTV's diameter; no study known to us measured it.
    cut_mm : float
        Largest displacement. 3 mm is our choice: 2.5 standard deviations, beyond which readers
        differ about what is tumour and not about its edge.

    Raises
    ------
    ValueError
        If a value is not finite and above 0.

    References
    ----------
    .. [1] Cancers 2022;14:1288.
    .. [2] Mercieca S et al. Interobserver variability in the delineation of the primary lung cancer
        and lymph nodes on different four-dimensional computed tomography reconstructions. Radiother
        Oncol 2018;126:325-332.
    """

    sd_mm: float = 1.2
    correlation_mm: float = 10.0
    cut_mm: float = 3.0

    def __post_init__(self) -> None:
        for name in ("sd_mm", "correlation_mm", "cut_mm"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}: use a finite number above 0.")


def perturbed_masks(
    mask: Mask,
    spacing_mm: tuple[float, float, float],
    contours: int,
    seed: str,
    perturbation: Perturbation,
) -> tuple[BoxedMask, ...]:
    """Return a mask's perturbed contours, whose mean volume is the mask's; the same seed gives the
    same.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The drawn GTV, with some voxels, on any grid.
    spacing_mm : tuple of 3 float
        Distance of voxel centres along (x, y, z), in mm.
    contours : int
        How many.
    seed : str
        What the random fields follow from: the digest of the study's content.
    perturbation : Perturbation
        How far they may lie from the drawn one.

    Returns
    -------
    tuple of BoxedMask
        On the grid of `mask`; of a GTV smaller than the displacement some may be empty.
    """
    spacing, cut = np.asarray(spacing_mm[::-1], dtype=np.float64), perturbation.cut_mm
    margins = np.ceil(cut / spacing).astype(int) + 1
    z, y, x = (
        slice(max(0, part.start - int(margin)), min(n, part.stop + int(margin)))
        for part, margin, n in zip(bounding_box(mask), margins, mask.shape, strict=True)
    )
    inside = np.ascontiguousarray(mask[z, y, x])
    distance = signed_distance_mm(inside, spacing, cut)
    always = distance <= -cut
    near = np.flatnonzero((distance <= cut) & ~always)
    field = _Field.over(
        [(np.arange(n) + 0.5) * step for n, step in zip(inside.shape, spacing, strict=True)],
        perturbation.correlation_mm,
    )
    displacement = np.empty((contours, len(near)))
    for number in range(contours):
        drawn = field.drawn(_generator(seed, number))
        displacement[number] = perturbation.sd_mm * drawn.ravel()[near]
    near_mm = distance.ravel()[near]
    lack = contours * (int(inside.sum()) - int(always.sum()))
    displacement += _mean_that_keeps_the_volume(near_mm - displacement, lack, cut)
    depth, height, width = mask.shape
    found = []
    for moved in displacement:
        voxels = always.copy()
        voxels.ravel()[near] = near_mm <= moved
        found.append(BoxedMask(voxels, (z, y, x), (depth, height, width)))
    return tuple(found)


def signed_distance_mm(
    inside: Mask, spacing_zyx_mm: Sequence[float] | Floats, reach_mm: float
) -> Floats:
    """Return how far the centre of each voxel lies from the surface of a mask, negative inside.

    The surface is that of the voxels themselves, so a voxel at the edge lies half a voxel from it,
    and a face of the array is none.

    Parameters
    ----------
    inside : ndarray of bool, shape (z, y, x)
        The mask.
    spacing_zyx_mm : sequence or ndarray of 3 float
        Distance of voxel centres along (z, y, x), in mm.
    reach_mm : float
        Beyond it the distance is infinite.
    """
    spacing = np.asarray(spacing_zyx_mm, dtype=np.float64)
    most = np.floor(reach_mm / spacing + 0.5).astype(int)
    steps = np.array(list(product(*(range(-n, n + 1) for n in most))), dtype=np.int64)
    away = np.sqrt((np.maximum((np.abs(steps) - 0.5) * spacing, 0.0) ** 2).sum(axis=1))
    felt = np.flatnonzero((away > 0) & (away <= reach_mm))
    order = felt[np.argsort(away[felt], kind="stable")]
    distance = np.empty(inside.shape)
    _find_nearest(inside, steps[order], away[order], distance)
    return distance


def _mean_that_keeps_the_volume(needed_mm: Floats, voxels: int, most_mm: float) -> float:
    """Return the mean displacement in mm at which so many voxels are inside; `needed_mm` is that
    from which each of each contour is.
    """
    low, high = -most_mm, most_mm
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if int((needed_mm <= middle).sum()) > voxels:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _generator(seed: str, number: int) -> np.random.Generator:
    return np.random.default_rng([int(hashlib.sha256(seed.encode()).hexdigest(), 16), number])


@dataclass(frozen=True, eq=False)
class _Field:
    """A stationary Gaussian field on the crossings of lines: independent numbers at nodes, each
    felt around its node with a Gaussian weight.

    Parameters
    ----------
    first : tuple of ndarray of int64, shape (points,)
        For each axis the first node that each point feels.
    weights : tuple of ndarray of float64, shape (points, taps)
        Of that node and those after it; of squares that add up to 1, so that the variance is 1
        everywhere.
    nodes : tuple of 3 int
        Nodes along each axis.
    """

    first: tuple[Indices, ...]
    weights: tuple[Floats, ...]
    nodes: tuple[int, ...]

    @classmethod
    def over(cls, lines_mm: Sequence[Floats], correlation_mm: float) -> _Field:
        """Weigh the nodes for points at these places along (z, y, x), in mm.

        White noise under a Gaussian of standard deviation s has the correlation exp(-d^2 / 4 s^2).
        """
        step, sd = correlation_mm / _NODES, correlation_mm / 2
        taps = 2 * int(np.ceil(_REACH_SDS * sd / step)) + 1
        first, weights, nodes = [], [], []
        for line in lines_mm:
            start = np.round(line / step).astype(np.int64) - taps // 2
            away = line[:, None] - (start[:, None] + np.arange(taps)) * step
            felt = np.exp(-0.5 * (away / sd) ** 2)
            first.append(start - start.min())
            weights.append(felt / np.sqrt((felt**2).sum(axis=1, keepdims=True)))
            nodes.append(int(start.max() - start.min()) + taps)
        return cls(tuple(first), tuple(weights), tuple(nodes))

    def drawn(self, generator: np.random.Generator) -> Floats:
        """Draw the field, shape (z, y, x)."""
        values = generator.standard_normal(self.nodes)
        for axis, (first, weights) in enumerate(zip(self.first, self.weights, strict=True)):
            lines = np.ascontiguousarray(np.moveaxis(values, axis, -1))
            found = np.empty((*lines.shape[:-1], len(first)))
            _weigh(
                lines.reshape(-1, lines.shape[-1]), first, weights, found.reshape(-1, len(first))
            )
            values = np.moveaxis(found, -1, axis)
        return np.ascontiguousarray(values)


@compiled
def _find_nearest(inside: Mask, steps: Indices, away: Floats, distance: Floats) -> None:
    """Note the distance to the first of the steps, which ascend, that leads to the other side."""
    depth, height, width = inside.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                here = inside[z, y, x]
                found = np.inf
                for k in range(len(steps)):
                    a, b, c = z + steps[k, 0], y + steps[k, 1], x + steps[k, 2]
                    if (
                        0 <= a < depth
                        and 0 <= b < height
                        and 0 <= c < width
                        and inside[a, b, c] != here
                    ):
                        found = away[k]
                        break
                distance[z, y, x] = -found if here else found


@compiled
def _weigh(lines: Floats, first: Indices, weights: Floats, found: Floats) -> None:
    """Sum the nodes that each point feels, in their order."""
    for i in range(lines.shape[0]):
        for j in range(len(first)):
            total = 0.0
            for k in range(weights.shape[1]):
                total += weights[j, k] * lines[i, first[j] + k]
            found[i, j] = total
