"""Random whole studies, as the files that a hospital would send, and what must come of them.

The patient is an array of Hounsfield units and a mask, both known voxel by voxel at their places in
the patient. A scanner then encodes it: in some position or obliquely, with some spacing, stored
values and padding. A planner draws the slices of `contour_drawings`, and a planning system exports
them. At most one thing is wrong with the CT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from tests.support.contour_drawings import DOUBTFUL, SHAPE, Drawing, Mask, drawings, near_lines
from tests.support.dicom_files import write_ct, write_rtstruct

SLICES = 8
FLOOR_HU = -1000
_OFF_SLICE = 0.25
_DIRECTIONS = [sign * axis for axis in np.eye(3) for sign in (1.0, -1.0)]
_CT_SPOILS = {
    "slice left out": {"missing-slice"},
    "slice twice": {"duplicate-slice"},
    "slice moved along": {"irregular-spacing", "unequal-spacing", "missing-slice"},
    "slice moved across": {"gantry-tilt"},
    "slice of another size": {"mixed-spacing"},
    "slice turned": {"mixed-orientation"},
    "no slope": {"no-rescale"},
    "optical density": {"not-hounsfield"},
    "too few pixels": {"truncated-pixels"},
    "infinite position": {"impossible-geometry", "ct-header"},
}
"""What may be wrong with the CT, and the codes of which one must be said."""


@dataclass
class DrawnStudy:
    """A study, and what must come of it.

    Parameters
    ----------
    hu : ndarray of int16, shape (z, y, x)
        What the scanner wrote, in HU.
    padded : ndarray of bool, shape (z, y, x)
        Where nothing was measured.
    axes, spacing_mm, origin_mm
        The grid in the patient, as in `CtVolume`.
    slope, signed : float, bool
        How pixels are stored.
    padding : str
        How padding is told: ``"none"``, ``"value"``, ``"range"``, ``"unsaid"``.
    drawings : dict of int to Drawing
        By slice.
    depth_mm : dict of int to float
        How far the contours of a slice lie off its plane.
    items, offset, spoil : int, bool, str or None
        ROI Contour items of the GTV; whether contours come with an offset; what is wrong.
    seed : int
        Of the order of files and contours.
    """

    hu: npt.NDArray[np.int16] = field(repr=False)
    padded: Mask = field(repr=False)
    axes: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    slope: float
    signed: bool
    padding: str
    drawings: dict[int, Drawing]
    depth_mm: dict[int, float]
    items: int
    offset: bool
    spoil: str | None
    seed: int

    @property
    def true_hu(self) -> npt.NDArray[np.float32]:
        """HU of every voxel as features must see them."""
        hu = np.maximum(self.hu, FLOOR_HU).astype(np.float32)
        hu[self.padded] = FLOOR_HU
        return hu

    @cached_property
    def true_mask(self) -> Mask:
        """The GTV; away from the lines of its contours."""
        mask = np.zeros(self.hu.shape, dtype=np.bool_)
        for z, drawing in self.drawings.items():
            mask[z] = drawing.mask
        return mask

    @cached_property
    def clear(self) -> Mask:
        """The voxels whose centres are away from every line."""
        clear = np.ones(self.hu.shape, dtype=np.bool_)
        for z, drawing in self.drawings.items():
            clear[z] = ~near_lines(drawing.polygons, DOUBTFUL)
        return clear

    def positions_mm(self) -> npt.NDArray[np.float64]:
        """Return where each voxel lies in the patient, shape (z, y, x, 3)."""
        z, y, x = np.indices(self.hu.shape)
        steps = np.stack([x, y, z], axis=-1) * np.asarray(self.spacing_mm)
        return np.asarray(steps @ self.axes.T + np.asarray(self.origin_mm))

    def refusals(self) -> set[str]:
        """Return the codes of which one must be said; none where the study is right."""
        if self.spoil is not None:
            return _CT_SPOILS[self.spoil]
        beyond = max(self.depths_mm()) - _OFF_SLICE * self.spacing_mm[2]
        if beyond > 1e-4:
            return {"off-slice"}
        of_slices = (self.drawings[z].refusal for z in sorted(self.drawings))
        refusals = [refusal.value for refusal in of_slices if refusal is not None]
        return {*refusals[:1], *(["off-slice"] if beyond > -1e-4 else [])}

    def depths_mm(self) -> list[float]:
        """Return how far each contour lies off its slice."""
        return [
            abs(self.depth_at(z, offset))
            for z, drawing in self.drawings.items()
            for offset in drawing.offsets_mm
        ]

    def depth_at(self, z: int, offset_mm: float) -> float:
        """Return how far a contour with an offset lies from its slice, which is its nearest."""
        most = 0.45 * self.spacing_mm[2]
        return min(max(self.depth_mm[z] + offset_mm, -most), most)

    def may_skip_slices(self) -> bool:
        """Say whether somewhere the GTV ends along the normal and begins again."""
        mask = self.true_mask | ~self.clear
        sure = self.true_mask & self.clear
        return any(
            bool((mask[low] & ~sure[between] & mask[high]).any())
            for low in range(SLICES)
            for between in range(low + 1, SLICES)
            for high in range(between + 1, SLICES)
        )

    def warnings(self) -> set[str]:
        """Return the codes of what must be told of the contours, of those that are certain."""
        drawn = list(self.drawings.values())
        told = {
            "repeated-contour": any(one.repeated or one.retraced for one in drawn),
            "remnant-contour": any(one.remnants for one in drawn),
            "crossing-contour": any(one.crossing for one in drawn),
            "several-contour-items": self.items > 1,
            "contour-offset": self.offset,
        }
        return {code for code, so in told.items() if so}

    def write(self, folder: Path) -> tuple[list[Path], Path]:
        """Write the files; the CT's in a random order, the RTSTRUCT apart."""
        rng = np.random.default_rng(self.seed)
        spoiling = _spoiling(self.spoil, int(rng.integers(2, SLICES - 2)), self)

        def encode(z: int, dataset: Dataset) -> None:
            self._store(z, dataset)
            spoiling(z, dataset)

        paths = write_ct(
            folder / "ct",
            self.hu,
            spacing_mm=self.spacing_mm,
            origin_mm=self.origin_mm,
            axes=self.axes,
            spoil=encode,
        )
        if self.spoil == "slice left out":
            paths.pop(SLICES // 2)
        contours, kinds = self._contours(rng)

        def export(dataset: Dataset) -> None:
            (gtv, heart) = dataset.ROIContourSequence
            for contour, kind in zip(gtv.ContourSequence, kinds, strict=True):
                contour.ContourGeometricType = kind
                if self.offset:
                    moved = np.array(contour.ContourData, dtype=float).reshape(-1, 3) - (1, -2, 3)
                    contour.ContourData = [f"{value:.6f}" for value in moved.ravel()]
                    contour.ContourOffsetVector = [1, -2, 3]
            heart.ContourSequence[0].NumberOfContourPoints = 7  # of no concern
            if self.items > 1:
                more = Dataset()
                more.ReferencedROINumber = gtv.ReferencedROINumber
                half = len(gtv.ContourSequence) // 2
                more.ContourSequence = gtv.ContourSequence[half:]
                gtv.ContourSequence = gtv.ContourSequence[:half]
                dataset.ROIContourSequence.append(more)

        rois = [("GTV-1", contours), ("Heart", contours[:1])]
        rtstruct = write_rtstruct(folder / "rtstruct.dcm", rois, spoil=export)
        return [paths[n] for n in rng.permutation(len(paths))], rtstruct

    def _contours(
        self, rng: np.random.Generator
    ) -> tuple[list[npt.NDArray[np.float64]], list[str]]:
        contours, kinds = [], []
        dx, dy, dz = self.spacing_mm
        for z, drawing in self.drawings.items():
            for n in rng.permutation(len(drawing.polygons)):
                polygon = drawing.polygons[n]
                depth = z * dz + self.depth_at(z, drawing.offsets_mm[n])
                flat = np.column_stack([polygon * (dx, dy), np.full(len(polygon), depth)])
                contours.append(flat @ self.axes.T + np.asarray(self.origin_mm))
                kinds.append(drawing.kinds[n])
        order = rng.permutation(len(contours))
        return [contours[n] for n in order], [kinds[n] for n in order]

    def _store(self, z: int, dataset: Dataset) -> None:
        intercept = float(z if self.signed else -4096 - z)
        stored = np.round((self.hu[z] - intercept) / self.slope)
        dataset.RescaleSlope, dataset.RescaleIntercept = self.slope, intercept
        dataset.PixelRepresentation = int(self.signed)
        dataset.PixelData = stored.astype("<i2" if self.signed else "<u2").tobytes()
        kind = "SS" if self.signed else "US"
        if self.padding in {"value", "range"}:
            values = stored[self.padded[z]]
            low = int(values.min()) if values.size else int((-3000 - intercept) / self.slope)
            dataset.add_new("PixelPaddingValue", kind, low)
            if self.padding == "range":
                high = int(values.max()) if values.size else low
                dataset.add_new("PixelPaddingRangeLimit", kind, high)


def _spoiling(what: str | None, at: int, study: DrawnStudy) -> Callable[[int, Dataset], Any]:
    def spoil(z: int, dataset: Dataset) -> None:
        if what is None or z != at:
            return
        normal, across = study.axes[:, 2], study.axes[:, 0]
        step = study.spacing_mm[2]
        moves = {
            "slice twice": -step * normal,
            "slice moved along": 0.4 * step * normal,
            "slice moved across": 1.5 * across,
        }
        if what in moves:
            position = np.array(dataset.ImagePositionPatient, dtype=float) + moves[what]
            dataset.ImagePositionPatient = [f"{value:.6f}" for value in position]
        elif what == "slice of another size":
            dataset.PixelSpacing = [1.5 * float(value) for value in dataset.PixelSpacing]
        elif what == "slice turned":
            dataset.ImageOrientationPatient = [-float(v) for v in dataset.ImageOrientationPatient]
        elif what == "no slope":
            del dataset.RescaleSlope
        elif what == "optical density":
            dataset.RescaleType = "OD"
        elif what == "too few pixels":
            dataset.PixelData = dataset.PixelData[:-2]
        elif what == "infinite position":
            dataset.ImagePositionPatient = ["0", "0", "1e999"]

    return spoil


@st.composite
def _axes(draw: st.DrawFn) -> npt.NDArray[np.float64]:
    """Draw any of the 24 ways to lay a grid along the patient's axes, some a little oblique."""
    row = draw(st.sampled_from(_DIRECTIONS))
    column = draw(st.sampled_from([d for d in _DIRECTIONS if not (d @ row)]))
    axes = np.column_stack([row, column, np.cross(row, column)])
    if draw(st.sampled_from([False, False, True])):
        angle = np.deg2rad(draw(st.integers(-25, 25)))
        turn = np.eye(3)
        first, second = draw(st.sampled_from([(0, 1), (1, 2), (0, 2)]))
        turn[[first, first, second, second], [first, second, first, second]] = [
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        ]
        axes = turn @ axes
    return axes


@st.composite
def studies(draw: st.DrawFn) -> DrawnStudy:
    """Draw a study."""
    spacing = tuple(draw(st.integers(low, high)) / 10 for low, high in ((5, 15), (5, 15), (10, 50)))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    hu = rng.integers(-900, 1200, (SLICES, *SHAPE)).astype(np.int16)
    padding = draw(st.sampled_from(["none", "value", "range", "unsaid"]))
    padded = np.zeros(hu.shape, dtype=np.bool_)
    if padding != "none":
        y, x = np.indices(SHAPE)
        circle = draw(st.integers(15, 45))
        padded[:] = (y - SHAPE[0] / 2) ** 2 + (x - SHAPE[1] / 2) ** 2 > circle**2
        values = {
            "value": st.sampled_from([(-2000, -2000), (-3024, -3024), (1500, 1500)]),
            "range": st.just((-3024, -2000)),
            "unsaid": st.sampled_from([(-3024, -3024), (-2000, -1501)]),
        }
        low, high = draw(values[padding])
        hu[padded] = rng.integers(low, high + 1, int(padded.sum()))
    first, count = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    sound = draw(st.sampled_from([True, True, True, False]))
    if draw(st.booleans()):
        drawn = dict.fromkeys(range(first, first + count), draw(drawings(sound=sound)))
    else:
        drawn = {z: draw(drawings(sound=sound)) for z in range(first, first + count)}
    offsets = st.sampled_from([0.0, 0.0, 0.0, 0.03, 0.15, -0.2, 0.4])
    shift = draw(offsets) * spacing[2]
    return DrawnStudy(
        hu=hu,
        padded=padded,
        axes=draw(_axes()),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        origin_mm=(draw(st.integers(-400, 400)) / 2, -31.25, draw(st.integers(-900, 900)) / 4),
        slope=draw(st.sampled_from([1.0, 1.0, 0.5, 0.25])),
        signed=draw(st.booleans()),
        padding=padding,
        drawings=drawn,
        depth_mm=dict.fromkeys(drawn, shift),
        items=draw(st.sampled_from([1, 1, 2])),
        offset=draw(st.sampled_from([False, False, True])),
        spoil=draw(st.sampled_from([None] * 30 + [*_CT_SPOILS])),
        seed=seed,
    )
