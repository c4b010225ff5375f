"""The measured regions over the CT in three planes, as pictures for a patient's page.

Drawn by hand: a picture is the CT in one window as PNG, and the regions' edges as lines over it.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.imaging.boxed_mask import BoxedMask, bounding_box, union
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.orientation import boxed_in_lps_order, in_lps_order
from validation_reports.page.plots import HIGH_COLOUR, svg_element

Mask = npt.NDArray[np.bool_]

RING_COLOUR, CONTOUR_COLOUR = "#56B4E9", HIGH_COLOUR
WINDOW_HU = (40.0, 400.0)
"""Level and width of the window in which the CT is shown: soft tissue."""
_EDGES = (CONTOUR_COLOUR, RING_COLOUR)
_SHADES = 30
_PIXELS = 300
_MARGIN_MM, _LEAST_FIELD_MM = 35.0, 130.0
_BAR_MM = 50.0
_PLANES = (
    ("Axial", 0, 1, 2, "ARPL"),
    ("Coronal", 1, 0, 2, "HRFL"),
    ("Sagittal", 2, 0, 1, "HAFP"),
)
"""Name, axis (z, y, x) across the plane, axes down and right, and letters at top, left, bottom,
right.
"""


@dataclass(frozen=True, eq=False)
class CtPlanes:
    """What is drawn of a CT: the planes in which a contour is largest.

    Parameters
    ----------
    grid : CtVolume
        The CT without its voxels, in any orientation.
    hu : tuple of 3 ndarray of float32
        HU in the axial, coronal and sagittal plane, in the patient's axes (LPS).
    """

    grid: CtVolume
    hu: tuple[npt.NDArray[np.float32], ...]

    @classmethod
    def through(cls, volume: CtVolume, contour: BoxedMask) -> CtPlanes:
        """Take the planes out of a CT; `contour` is on its grid and has some voxels."""
        turned, gtv = boxed_in_lps_order(volume, contour)
        numbers = _largest(gtv)
        hu = (np.take(turned.hu, number, axis=axis) for axis, number in enumerate(numbers))
        return cls(volume.without_voxels(), tuple(hu))


@dataclass(frozen=True)
class RegionPicture:
    """One plane of the CT with the outlines of the regions.

    Parameters
    ----------
    title : str
        Which plane, and where.
    svg : str
        The picture, an inline SVG element.
    """

    title: str
    svg: str


def region_pictures(
    ct: CtPlanes, contour: Mask, rings: Sequence[Mask]
) -> tuple[RegionPicture, ...]:
    """Draw the regions where the contour is largest in each plane.

    Parameters
    ----------
    ct : CtPlanes
        The planes through the contour.
    contour : ndarray of bool, shape (z, y, x)
        The GTV on the CT's grid, with some voxels.
    rings : sequence of ndarray of bool
        The rings that the model reads, on the same grid.

    Returns
    -------
    tuple of RegionPicture
        Axial, coronal, sagittal; patient's left is at the right.
    """
    scene = _Scene(ct, contour, rings)
    found = []
    for name, across, down, right, letters in _PLANES:
        number = scene.numbers[across]
        plane = scene.plane(down, right, _PIXELS)
        image = plane.sampled(ct.hu[across])
        lines = [
            *(plane.edges(np.take(one, number, axis=across), RING_COLOUR) for one in scene.around),
            plane.edges(np.take(scene.gtv, number, axis=across), CONTOUR_COLOUR),
        ]
        count = scene.gtv.shape[across]
        title = f"{name}, slice {number + 1} of {count} from the feet" if across == 0 else name
        found.append(RegionPicture(title, _svg(name, image, lines, letters, scene.field_mm)))
    return tuple(found)


def axial_png(ct: CtPlanes, contour: Mask, rings: Sequence[Mask], pixels: int = 240) -> bytes:
    """Draw the regions in the slice where the contour is largest, as a PNG that is small enough to
    be kept with every run: `pixels` rows and columns, 30 shades, and a colour for each edge.

    Parameters
    ----------
    ct, contour, rings
        As of `region_pictures`.
    pixels : int
        Edge of the picture.
    """
    scene = _Scene(ct, contour, rings)
    number = scene.numbers[0]
    plane = scene.plane(1, 2, pixels)
    grey = plane.sampled(ct.hu[0]).astype(np.uint16)
    picture = (grey * _SHADES // 256).astype(np.uint8)
    for mask in scene.around:
        picture[plane.edge_pixels(mask[number])] = _SHADES + 1
    picture[plane.edge_pixels(scene.gtv[number])] = _SHADES
    greys = [[round(shade * 255 / (_SHADES - 1))] * 3 for shade in range(_SHADES)]
    colours = [[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in _EDGES]
    return png(picture, np.array([*greys, *colours], dtype=np.uint8))


class _Scene:
    """The regions in the patient's axes, and the square around them that is shown."""

    def __init__(self, ct: CtPlanes, contour: Mask, rings: Sequence[Mask]) -> None:
        turned, self.gtv = in_lps_order(ct.grid, contour)
        self.around = [in_lps_order(ct.grid, ring)[1] for ring in rings]
        self._spacing = np.asarray(turned.spacing_mm[::-1])
        boxed = BoxedMask.of(self.gtv)
        box, self.numbers = boxed.box, _largest(boxed)
        boxes = (bounding_box(one) for one in self.around if one.any())
        shown = union(box, *boxes)
        first, end = (
            np.array([getattr(part, side) for part in shown]) for side in ("start", "stop")
        )
        self._middle = (first + end - 1) / 2 * self._spacing
        reach = float(((end - first) * self._spacing).max())
        self.field_mm = max(reach + 2 * _MARGIN_MM, _LEAST_FIELD_MM)

    def plane(self, down: int, right: int, pixels: int) -> _Plane:
        """Return the square in a plane of two axes."""
        return _Plane(self._spacing, self._middle, self.field_mm, down, right, pixels)


def _largest(mask: BoxedMask) -> list[int]:
    """Return where along each axis a mask is largest."""
    found = []
    for across, part in enumerate(mask.box):
        others = tuple(axis for axis in range(3) if axis != across)
        found.append(int(part.start + np.argmax(np.count_nonzero(mask.voxels, axis=others))))
    return found


class _Plane:
    """A square of the patient in one plane; what points to the head is drawn upwards."""

    def __init__(
        self,
        spacing: npt.NDArray[np.float64],
        middle: npt.NDArray[np.float64],
        field_mm: float,
        down: int,
        right: int,
        pixels: int,
    ) -> None:
        self._step = spacing[down], spacing[right]
        self._middle = middle[down], middle[right]
        self._field, self._pixels = field_mm, pixels
        self._upwards = down == 0

    def _places(self) -> list[npt.NDArray[np.float64]]:
        """Return in which voxel each pixel lies, in rows and columns of the slice."""
        at = ((np.arange(self._pixels) + 0.5) / self._pixels - 0.5) * self._field
        rows = (self._middle[0] + (-at if self._upwards else at)) / self._step[0]
        columns = (self._middle[1] + at) / self._step[1]
        return list(np.meshgrid(rows, columns, indexing="ij"))

    def edge_pixels(self, mask: Mask) -> Mask:
        """Return the outermost pixels of a mask within the square, shape (pixels, pixels)."""
        inside = ndimage.map_coordinates(mask.astype(np.uint8), self._places(), order=0) > 0
        return np.asarray(inside & ~ndimage.binary_erosion(inside), dtype=np.bool_)

    def sampled(self, hu: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return the CT within the square as grey values, shape (pixels, pixels)."""
        finite = np.maximum(hu, -1024.0)
        values = ndimage.map_coordinates(
            finite, self._places(), order=1, mode="constant", cval=-1024.0
        )
        level, width = WINDOW_HU
        grey = (values - level + width / 2) / width * 255
        return np.clip(np.round(grey), 0, 255).astype(np.uint8)

    def edges(self, mask: Mask, colour: str) -> str:
        """Return the edges of a mask's voxels as a path in pixels of the picture."""
        padded = np.pad(mask, 1)
        parts = []
        for row, column in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist():
            (y, x), (_, after) = self._at(row, column), self._at(row, column + 1)
            parts.append(f"M{x:.1f} {y:.1f}H{after:.1f}")
        for row, column in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist():
            (y, x), (after, _) = self._at(row, column), self._at(row + 1, column)
            parts.append(f"M{x:.1f} {y:.1f}V{after:.1f}")
        return f'<path d="{"".join(parts)}" stroke="{colour}" stroke-width="1.4" fill="none"/>'

    def _at(self, row: int, column: int) -> tuple[float, float]:
        """Return where the outer corner of a voxel lies, in pixels."""
        y = (row - 0.5) * self._step[0] - self._middle[0]
        x = (column - 0.5) * self._step[1] - self._middle[1]
        scale, half = self._pixels / self._field, self._pixels / 2
        return half + (-y if self._upwards else y) * scale, half + x * scale


def _svg(
    name: str, image: npt.NDArray[np.uint8], lines: Sequence[str], letters: str, field_mm: float
) -> str:
    half, end, bar = _PIXELS / 2, _PIXELS - 5, _BAR_MM / field_mm * _PIXELS
    places = ((half, 13, "middle"), (5, half + 4, "start"), (half, end, "middle"))
    text = "".join(
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {look}>{letter}</text>'
        for look in ('fill="#000000" stroke="#000000" stroke-width="3"', 'fill="#ffffff"')
        for letter, (x, y, anchor) in zip(letters, (*places, (end, half + 4, "end")), strict=True)
    )
    data = base64.b64encode(png(image)).decode()
    parts = [
        f'<image width="{_PIXELS}" height="{_PIXELS}" href="data:image/png;base64,{data}"/>',
        *lines,
        text,
        f'<path d="M8 {end - 2:g}h{bar:.1f}" stroke="#ffffff" stroke-width="2"/>',
        f'<text x="8" y="{end - 8:g}" fill="#ffffff">{_BAR_MM / 10:g} cm</text>',
    ]
    words = f"{name} plane of the CT with the contour and the ring that was measured"
    return svg_element(f"regions-{name}", words, (_PIXELS, _PIXELS), 12, parts)


def png(values: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Return an image as PNG (ISO/IEC 15948).

    Parameters
    ----------
    values : ndarray of uint8, shape (rows, columns)
        Grey values, or numbers of colours.
    palette : ndarray of uint8, shape (colours, 3), optional
        Red, green and blue of each colour.
    """
    rows, columns = values.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), values], axis=1).tobytes()
    kind_of_colour = 0 if palette is None else 3
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, kind_of_colour, 0, 0, 0)),
        *(() if palette is None else ((b"PLTE", palette.tobytes()),)),
        (b"IDAT", zlib.compress(lines, 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
