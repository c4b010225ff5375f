"""A thorax that never was: a small chest CT in HU with one lung tumour, whose looks are given by
four numbers.

The thorax is narrower than a human one (175 mm), so that a study is small and its features take
seconds. What matters for radiomics has human dimensions: a tumour of 6-40 cm3, its texture, and 6
mm of lung around it.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

GTV = "GTV-1"
RIM_MM = 6.0
"""Width of the rim that carries hazard; the ring of the model (design: GTV dilated by 6 mm, minus
the GTV).
"""
MATRIX = 160
PIXEL_MM = 1.1
_LUNG_MM = (31.0, 44.0)
"""Half axes of a lung; its wall is nowhere thinner than 5 mm, so that it encloses the lung in every
slice.
"""
_LOBES = (3, 5, 8)
_LOBE_WEIGHTS = (0.45, 0.3, 0.25)
_LIMIT = 2.2
_AIR, _FAT, _MUSCLE, _BLOOD, _BONE, _LUNG = -1000.0, -90.0, 45.0, 40.0, 420.0, -810.0


@dataclass(frozen=True)
class TumourTraits:
    """What a tumour looks like, as standard scores: 0 is the average tumour, 1 is one standard
    deviation more.

    Parameters
    ----------
    volume : float
        Log-volume: 16 cm3 at 0, times 1.45 per unit.
    shape : float
        Lobulation: how far the boundary leaves the ellipsoid; lowers the sphericity.
    heterogeneity : float
        Amplitude of the texture inside: 65 HU standard deviation at 0, times 1.6 per unit.
    rim : float
        Density of the 6 mm around the tumour: -600 HU at 0, 130 HU more per unit.

    Raises
    ------
    ValueError
        If a score is not a finite number within 2.2 of 0.
    """

    volume: float
    shape: float
    heterogeneity: float
    rim: float

    def __post_init__(self) -> None:
        for name, score in zip(
            ("volume", "shape", "heterogeneity", "rim"), astuple(self), strict=True
        ):
            if not abs(score) <= _LIMIT:
                raise ValueError(
                    f"The trait {name} is {score}: expected a number from -{_LIMIT} to {_LIMIT}."
                )

    @property
    def volume_mm3(self) -> float:
        """Volume of the tumour in mm3."""
        return 16_000.0 * math.pow(1.45, self.volume)

    @property
    def lobulation(self) -> float:
        """Relative amplitude of the lobes."""
        return max(0.02, 0.19 + 0.08 * self.shape)

    @property
    def texture_hu(self) -> float:
        """Standard deviation of the texture in HU."""
        return 65.0 * math.pow(1.6, self.heterogeneity)

    @property
    def rim_hu(self) -> float:
        """Mean density of the rim in HU."""
        return -600.0 + 130.0 * self.rim


@dataclass(frozen=True)
class Scanner:
    """How a centre makes its planning CTs.

    Parameters
    ----------
    manufacturer, kernel : str
        As in the DICOM header.
    kvp : float
        Tube voltage in kV.
    slice_mm : float
        Slice thickness and distance in mm.
    n_slices : int
        Number of slices.
    noise_hu : float
        Standard deviation of the noise in HU.
    blur_mm : float
        Standard deviation of the in-plane point spread in mm.
    signed : bool
        Whether stored values are signed 16 bit (else unsigned 12 bit).
    """

    manufacturer: str
    kernel: str
    kvp: float
    slice_mm: float
    n_slices: int
    noise_hu: float
    blur_mm: float
    signed: bool = False


@dataclass(frozen=True, eq=False)
class Phantom:
    """One synthetic planning CT and its contours.

    Parameters
    ----------
    hu : ndarray of int16, shape (n_slices, 160, 160)
        Hounsfield units, indexed (z, y, x).
    origin_mm, spacing_mm : tuple of 3 float
        Centre of the first voxel, and voxel size, (x, y, z) in mm; axes along patient coordinates
        (LPS).
    contours : dict of str to tuple of ndarray, shape (n, 3)
        Closed planar contours of each ROI, (x, y, z) in mm, two decimals.
    """

    hu: npt.NDArray[np.int16]
    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    contours: dict[str, tuple[npt.NDArray[np.float64], ...]]

    def slice_mm(self, index: int) -> str:
        """Return the position of a slice along z in mm, as it is written in DICOM: two decimals."""
        return f"{self.origin_mm[2] + index * self.spacing_mm[2]:.2f}"


@dataclass(frozen=True)
class _Tumour:
    """A stack of lobed discs: the radius at angle a and height h is disc(h) * (1 + lobulation *
    lobes(a, h)).
    """

    center_mm: tuple[float, float, float]
    radius_mm: float
    lobulation: float
    phases: tuple[float, ...]
    twists: tuple[float, ...]

    def boundary_mm(
        self,
        angle: npt.NDArray[np.floating],
        height_mm: npt.NDArray[np.floating],
        grow_mm: float = 0.0,
    ) -> Floats:
        radius = self.radius_mm + grow_mm
        lobes = sum(
            weight * np.cos(k * angle + phase + twist * height_mm / radius)
            for k, weight, phase, twist in zip(
                _LOBES, _LOBE_WEIGHTS, self.phases, self.twists, strict=True
            )
        )
        disc = np.sqrt(np.clip(radius**2 - height_mm**2, 0.0, None))
        return np.asarray(disc * (1.0 + self.lobulation * lobes), dtype=np.float32)

    @property
    def reach_mm(self) -> float:
        return self.radius_mm * (1.0 + self.lobulation)


def make_phantom(traits: TumourTraits, scanner: Scanner, rng: np.random.Generator) -> Phantom:
    """Make one planning CT with its contours.

    Parameters
    ----------
    traits : TumourTraits
        What the tumour looks like.
    scanner : Scanner
        How the image is made.
    rng : numpy.random.Generator
        Source of everything else: anatomy, position, texture, noise. The same state gives the same
        phantom.

    Returns
    -------
    Phantom
        The image, its geometry and the contours ``GTV-1``, ``Lung_L``, ``SpinalCord`` and ``PTV``.
    """
    # rounded as they are written, so that image and contours agree to the last digit
    table = round(float(rng.uniform(-900.0, -300.0)), 1)
    half_plane, half_height = (
        PIXEL_MM * (MATRIX - 1) / 2,
        scanner.slice_mm * (scanner.n_slices - 1) / 2,
    )
    x = np.arange(MATRIX, dtype=np.float32) * np.float32(PIXEL_MM) - np.float32(half_plane)
    z = np.arange(scanner.n_slices, dtype=np.float32) * np.float32(scanner.slice_mm) - np.float32(
        half_height
    )
    tumour = _place_tumour(traits, rng)
    size = rng.uniform(0.96, 1.02)
    hu, lung = _thorax(x, z, size, rng)
    _grow_tumour((hu, lung), (x, z), tumour, traits, rng)
    hu += rng.standard_normal(hu.shape, dtype=np.float32) * np.float32(
        _noise_gain(scanner) * scanner.noise_hu
    )
    sigma = scanner.blur_mm / PIXEL_MM
    hu = ndimage.gaussian_filter(hu, (0.0, sigma, sigma), mode="nearest", truncate=3.0)
    origin = (round(-half_plane, 3), round(-half_plane, 3), round(table - half_height, 2))
    return Phantom(
        hu=np.clip(np.rint(hu), -1024, 3071).astype(np.int16),
        origin_mm=origin,
        spacing_mm=(PIXEL_MM, PIXEL_MM, scanner.slice_mm),
        contours=_contours(tumour, z, table, size),
    )


def _noise_gain(scanner: Scanner) -> float:
    """How much white noise must be raised so that `noise_hu` is left after the blur (in-plane
    Gaussian).
    """
    return 2.0 * math.sqrt(math.pi) * max(scanner.blur_mm / PIXEL_MM, 0.3)


def _place_tumour(traits: TumourTraits, rng: np.random.Generator) -> _Tumour:
    lobulation = traits.lobulation
    spread = sum(weight**2 for weight in _LOBE_WEIGHTS) / 2.0
    # the mean of (1 + lobulation * lobes)^2 over the angle, so that lobes do not change the volume
    radius = (3.0 * traits.volume_mm3 / (4.0 * math.pi * (1.0 + lobulation**2 * spread))) ** (
        1.0 / 3.0
    )
    side = -1.0 if rng.random() < 0.6 else 1.0
    center = (
        side * (43.0 + rng.uniform(-3, 3)),
        8.0 + rng.uniform(-6, 6),
        float(rng.uniform(-6, 6)),
    )
    return _Tumour(
        center_mm=center,
        radius_mm=radius,
        lobulation=lobulation,
        phases=tuple(rng.uniform(0, 2 * math.pi, 3)),
        twists=tuple(rng.uniform(-2.5, 2.5, 3)),
    )


def _ellipse(
    x: Floats, y: Floats, center: tuple[float, float], half_axes: tuple[float, float]
) -> Floats:
    return ((x - center[0]) / half_axes[0]) ** 2 + ((y - center[1]) / half_axes[1]) ** 2


def _thorax(x: Floats, z: Floats, size: float, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """Return the image without tumour, in HU, and where there is lung."""
    column, row = x[None, :] / size, x[:, None] / size
    body = _ellipse(column, row, (0, 0), (84, 66))
    plane = np.where(body < 1, np.float32(_FAT), np.float32(_AIR))
    plane[body < 0.9] = _MUSCLE
    mediastinum = _ellipse(column, row, (4, -14), (22, 26)) < 1
    plane[mediastinum] = _BLOOD
    spine = _ellipse(column, row, (0, 40), (15, 13))
    plane[spine < 1] = _BONE
    plane[spine < 0.65] = 190.0
    canal = _ellipse(column, row, (0, 53), (7, 6)) < 1
    plane[canal] = 35.0
    trachea = _ellipse(column, row, (0, -6), (6, 6)) < 1
    solid = mediastinum | (spine < 1) | canal
    lungs = np.minimum(
        _ellipse(column, row, (-43, 2), _LUNG_MM), _ellipse(column, row, (43, 2), _LUNG_MM)
    )
    dome = np.sqrt(np.clip(1.0 - (z / 150.0) ** 2, 0.1, 1.0))  # lungs narrow towards apex and base
    lung = (lungs[None] < (dome**2)[:, None, None]) & ~solid[None]
    hu = np.repeat(plane[None], z.size, axis=0)
    ribs = (body > 0.82) & (body < 0.9)
    angle = np.arctan2(*np.nonzero(ribs)[::-1]).astype(np.float32)
    hu[:, ribs] = np.where(
        ((z[:, None] + 12 * angle[None]) / 26.0) % 1.0 < 0.4, np.float32(_BONE), hu[:, ribs]
    )
    hu[:, trachea] = _AIR
    hu[lung] = _lung_tissue(hu.shape, z, rng)[lung]
    return hu, lung


def _lung_tissue(shape: tuple[int, ...], z: Floats, rng: np.random.Generator) -> Floats:
    """Air-filled tissue with vessels: a field of about 5 mm grain, of which the highest values are
    blood.
    """
    step = float(z[1] - z[0])
    coarse = (max(4, round(shape[0] * step / 5.0)), 36, 36)
    field = rng.standard_normal(coarse, dtype=np.float32)
    grid = ndimage.zoom(field, tuple(n / c for n, c in zip(shape, coarse, strict=True)), order=1)
    return np.asarray(
        _LUNG + 35.0 * grid + np.where(grid > 1.35, 900.0 * (grid - 1.35), 0.0), dtype=np.float32
    )


def _grow_tumour(
    image: tuple[Floats, Bools],
    axes: tuple[Floats, Floats],
    tumour: _Tumour,
    traits: TumourTraits,
    rng: np.random.Generator,
) -> None:
    """Write the tumour and its rim into the image (HU, where there is lung), in the box around
    it.
    """
    hu, lung = image
    x, z = axes
    reach = tumour.reach_mm + RIM_MM + 4.0
    box = tuple(
        slice(
            int(np.searchsorted(axis, middle - reach)), int(np.searchsorted(axis, middle + reach))
        )
        for axis, middle in zip((z, x, x), tumour.center_mm[::-1], strict=True)
    )
    dz = z[box[0]][:, None, None] - np.float32(tumour.center_mm[2])
    dy = x[box[1]][None, :, None] - np.float32(tumour.center_mm[1])
    dx = x[box[2]][None, None, :] - np.float32(tumour.center_mm[0])
    inside = np.hypot(dx, dy) < tumour.boundary_mm(np.arctan2(dy, dx), dz)
    voxel_mm = (float(z[1] - z[0]), PIXEL_MM, PIXEL_MM)
    distance = ndimage.distance_transform_edt(~inside, sampling=voxel_mm)
    part = hu[box]
    rim = (distance > 0) & (distance <= RIM_MM) & lung[box]
    part[rim] = np.clip(
        traits.rim_hu + 60.0 * _grain(part.shape, voxel_mm, 1.8, rng)[rim], -900.0, 0.0
    )
    part[inside] = 30.0 + traits.texture_hu * _grain(part.shape, voxel_mm, 2.4, rng)[inside]


def _grain(
    shape: tuple[int, ...], voxel_mm: tuple[float, ...], sigma_mm: float, rng: np.random.Generator
) -> Floats:
    """A field of mean 0 and standard deviation 1 with Gaussian grain of the same size in all
    directions.
    """
    field = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32),
        tuple(sigma_mm / step for step in voxel_mm),
        mode="wrap",
    )
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _contours(
    tumour: _Tumour, z: Floats, table: float, size: float
) -> dict[str, tuple[npt.NDArray[np.float64], ...]]:
    turn = np.linspace(0.0, 2.0 * math.pi, 72, endpoint=False)
    coarse = np.linspace(0.0, 2.0 * math.pi, 36, endpoint=False)

    def ring(
        angle: npt.NDArray[np.float64],
        radii: npt.NDArray[np.floating],
        middle: tuple[float, float],
        height: float,
    ) -> npt.NDArray[np.float64]:
        points = np.column_stack(
            [
                middle[0] + radii * np.cos(angle),
                middle[1] + radii * np.sin(angle),
                np.full(angle.size, height + table),
            ]
        )
        return np.round(points, 2)

    def stack(
        angle: npt.NDArray[np.float64], grow_mm: float
    ) -> tuple[npt.NDArray[np.float64], ...]:
        radii = (tumour.boundary_mm(angle, np.array(h - tumour.center_mm[2]), grow_mm) for h in z)
        return tuple(
            ring(angle, r, tumour.center_mm[:2], float(h))
            for h, r in zip(z, radii, strict=True)
            if r.min() > 1.0
        )

    across, along = _LUNG_MM
    lung_r = 1.0 / np.hypot(np.cos(coarse) / across, np.sin(coarse) / along) * size
    cord_r = np.full(coarse.size, 4.5 * size)
    middle = z[2:-2]
    return {
        "Lung_L": tuple(
            ring(coarse, lung_r * math.sqrt(1 - (h / 150) ** 2), (43 * size, 2 * size), float(h))
            for h in middle
        ),
        "SpinalCord": tuple(ring(coarse, cord_r, (0.0, 53 * size), float(h)) for h in middle),
        GTV: stack(turn, 0.0),
        "PTV": stack(coarse, 10.0),
    }
