"""Random slices of contours whose mask is known by how they are made, and a reference that says for
every pixel centre how often each contour goes round it.

Bodies are drawn one in a cell, so that they are apart: each a chain of rings within each other, the
second a hole, the third an island. Hands then draw the rings: in either direction, from any point,
with more points, several times, twice round, with a keyhole, cut in two, or not at all as meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import assume
from hypothesis import strategies as st

from feature_store.imaging.contour_combination import SliceRefusal
from feature_store.imaging.contour_relations import XOR, SliceContour

Polygon = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CELL = 22
SHAPE = (2 * CELL, 3 * CELL)
JITTER = 0.03
"""How far a hand misses a line, along x and y, in pixels."""
DOUBTFUL = 0.1
"""Centres so near to a line may belong to either side of it."""
_CENTRES = np.stack(np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0])), axis=-1).astype(float)


def turns_seen(polygon: Polygon) -> npt.NDArray[np.int_]:
    """Return how often a polygon goes round each pixel centre, by the angle under which the centre
    sees it.
    """
    turned = np.zeros(SHAPE, dtype=np.int_)
    if len(polygon) < 3:
        return turned
    box = _box(polygon, 0)
    seen = (polygon - _CENTRES[box][:, :, None]) @ np.array([1, 1j])
    with np.errstate(divide="ignore", invalid="ignore"):  # at a centre that is a vertex
        angles = np.angle(np.roll(seen, -1, axis=-1) / seen).sum(axis=-1)
    turned[box] = np.round(np.nan_to_num(angles) / (2 * np.pi))
    return turned


def _box(polygon: Polygon, margin: float) -> tuple[slice, slice]:
    """Return the pixels whose centres may lie within a polygon or near to it."""
    low = np.maximum(np.floor(polygon.min(axis=0) - margin), 0).astype(int)
    high = np.maximum(np.ceil(polygon.max(axis=0) + margin) + 1, 0).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def near_lines(polygons: list[Polygon], distance: float = DOUBTFUL) -> Mask:
    """Return the pixel centres that are within a distance of the line of any polygon."""
    near = _no_pixel()
    for polygon in polygons:
        if not len(polygon):
            continue
        box = _box(polygon, distance)
        edge = np.roll(polygon, -1, axis=0) - polygon
        to = _CENTRES[box][:, :, None] - polygon
        length = np.maximum((edge**2).sum(axis=-1), 1e-12)
        share = np.clip((to * edge).sum(axis=-1) / length, 0, 1)
        near[box] |= (((to - share[..., None] * edge) ** 2).sum(axis=-1) <= distance**2).any(
            axis=-1
        )
    return near


def _no_pixel() -> Mask:
    return np.zeros(SHAPE, dtype=np.bool_)


@dataclass
class Drawing:
    """Contours, and what must come of them.

    Parameters
    ----------
    polygons : list of ndarray, each of shape (n, 2)
        The contours.
    kinds : list of str
        Their geometric types.
    offsets_mm : list of float
        How far each is off the slice's plane.
    mask, united : ndarray of bool
        What they enclose, and what they do where overlaps are united; only away from the lines.
    refusal : SliceRefusal or None
        Why there is no mask, by default.
    remnants, repeated, retraced, crossing : int
        How many contours are so.
    """

    polygons: list[Polygon] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    offsets_mm: list[float] = field(default_factory=list)
    mask: Mask = field(default_factory=_no_pixel, repr=False)
    united: Mask = field(default_factory=_no_pixel, repr=False)
    refusal: SliceRefusal | None = None
    remnants: int = 0
    repeated: int = 0
    retraced: int = 0
    crossing: int = 0

    def add(self, polygon: Polygon, kind: str = "CLOSED_PLANAR") -> None:
        """Add a contour, in millionths of a pixel as contours are."""
        self.polygons.append(np.round(polygon, 6))
        self.kinds.append(kind)
        self.offsets_mm.append(0.0)

    def enclose(self, region: Mask) -> None:
        """Add what one ring encloses: a hole where there is something."""
        self.mask ^= region
        self.united ^= region

    def contours(self, order: list[int]) -> list[SliceContour]:
        """Return the contours in an order, numbered by their places in the drawing."""
        return [SliceContour(n, self.polygons[n], self.kinds[n], self.offsets_mm[n]) for n in order]


def _tenths(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(round(low * 10), round(high * 10)).map(lambda n: n / 10)


@st.composite
def _rings(draw: st.DrawFn, cell: tuple[int, int], least: float = 5) -> tuple[Polygon, Polygon]:
    """Draw a ring that a point within it sees wholly, and return that point with it."""
    centre = np.array(cell) * CELL + CELL / 2 + np.array([draw(_tenths(-1, 0.4)) for _ in "xy"])
    radius, points = draw(_tenths(least, 8)), draw(st.integers(8, 40))
    waves, height, phase = draw(st.integers(1, 4)), draw(_tenths(0, 0.2)), draw(_tenths(0, 6))
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    reach = radius * (1 + height * np.cos(waves * angle + phase))
    ring = centre + np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])
    return ring, centre


@st.composite
def _hands(draw: st.DrawFn, ring: Polygon, *, go_on: bool = False) -> Polygon:
    """Draw the same ring in another hand; `go_on` from its first point in its direction."""
    drawn = ring
    if not go_on:
        drawn = np.roll(ring, draw(st.integers(0, len(ring) - 1)), axis=0)
        drawn = drawn[:: draw(st.sampled_from([1, -1]))]
    if (parts := draw(st.integers(1, 3))) > 1:
        share = np.arange(parts)[:, None] / parts
        edges = np.roll(drawn, -1, axis=0) - drawn
        drawn = np.concatenate([a + e * share for a, e in zip(drawn, edges, strict=True)])
    if draw(st.booleans()):
        drawn = np.concatenate([drawn, drawn[:1]])
    if draw(st.booleans()):
        noise = np.random.default_rng(draw(st.integers(0, 99)))
        drawn = drawn + noise.uniform(-JITTER, JITTER, drawn.shape)
    return drawn


@st.composite
def _remnants(draw: st.DrawFn) -> Polygon:
    """Draw what a forgotten click leaves, anywhere on the slice."""
    at = np.array([draw(_tenths(1, SHAPE[1] - 6)), draw(_tenths(1, SHAPE[0] - 6))])
    step = np.array([draw(_tenths(-2, 2)), draw(_tenths(-2, 2))])
    match draw(st.integers(0, 3)):
        case 0:
            points = np.asarray(step * np.arange(float(draw(st.integers(1, 2))))[:, None])
        case 1:
            points = np.asarray(step * np.arange(draw(st.integers(3, 6)))[:, None] / 4)
        case 2:
            points = np.array([[0.0, 0.0], [draw(_tenths(0.1, 0.9)), 0.0], [0.0, 1.0]])
        case _:
            thin = draw(_tenths(0.1, 0.2))
            points = np.array([[0, 0], [4, 0], [4, thin], [0, thin]], dtype=np.float64)
    return np.asarray(at + points)


@st.composite
def _bodies(draw: st.DrawFn, drawing: Drawing, cell: tuple[int, int]) -> None:
    """Draw rings within each other, some several times, some twice round, some with a keyhole."""
    ring, centre = draw(_rings(cell))
    radius = float(np.linalg.norm(ring - centre, axis=1).min())
    rings = [ring]
    while len(rings) < 4 and radius > 3.6 and draw(st.booleans()):
        wall = draw(_tenths(1.7, radius - 1.8))
        rings.append(centre + (rings[-1] - centre) * (1 - wall / radius))
        radius -= wall
    for inside in rings:
        drawing.enclose(turns_seen(inside) != 0)
    if len(rings) > 1 and draw(st.booleans()):  # the hole's channel goes along a line of sight
        start, direction = draw(st.integers(0, len(ring) - 1)), draw(st.sampled_from([1, -1]))
        outer = np.roll(rings[0], -start, axis=0)
        inner = np.roll(rings[1], -start, axis=0)
        inner = np.roll(inner[::direction], 1 if direction < 0 else 0, axis=0)
        keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]])
        drawing.add(keyhole[:: draw(st.sampled_from([1, -1]))])
        rings = rings[2:]
    for drawn in rings:
        for again in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            drawing.repeated += again > 0
            if draw(st.sampled_from([False, False, False, True])):
                rounds = range(draw(st.integers(2, 3)))
                drawing.retraced += again == 0
                drawing.add(np.concatenate([draw(_hands(drawn, go_on=True)) for _ in rounds]))
            else:
                drawing.add(draw(_hands(drawn)))


@st.composite
def _circles(draw: st.DrawFn, cell: tuple[int, int]) -> Polygon:
    ring, centre = draw(_rings(cell))
    directions = (ring - centre) / np.linalg.norm(ring - centre, axis=1)[:, None]
    return np.asarray(centre + 7 * directions)


@st.composite
def _halves(draw: st.DrawFn, drawing: Drawing, cell: tuple[int, int]) -> None:
    """Cut a circle in two that share an edge."""
    ring = draw(_circles(cell))
    start, middle = (
        draw(st.integers(0, len(ring) - 1)),
        draw(st.integers(len(ring) // 4, len(ring) * 3 // 4)),
    )
    ring = np.roll(ring, start, axis=0)
    drawing.enclose(turns_seen(ring) != 0)
    drawing.add(ring[: middle + 1])
    drawing.add(np.concatenate([ring[middle:], ring[:1]])[:: draw(st.sampled_from([1, -1]))])


@st.composite
def _eights(draw: st.DrawFn, drawing: Drawing, cell: tuple[int, int]) -> None:
    """Draw a figure of eight: both lobes count."""
    x, y = np.array(cell) * CELL + CELL / 2 + draw(_tenths(-0.9, 0.9))
    angle = np.linspace(0, 2 * np.pi, draw(st.integers(16, 60)), endpoint=False)
    eight = np.column_stack([x + 8 * np.sin(angle + 0.1), y + 7 * np.sin(2 * angle + 0.2)])
    drawing.enclose(turns_seen(eight) != 0)
    drawing.crossing += 1
    drawing.add(eight)


@st.composite
def _overlaps(draw: st.DrawFn, drawing: Drawing, cell: tuple[int, int]) -> None:
    """Draw a ring twice, the second moved by more than 2 pixels."""
    ring, centre = draw(_rings(cell))
    ring = centre + (ring - centre) * 0.75
    angle = draw(_tenths(0, 6))
    moved = ring + draw(_tenths(2.2, 3.5)) * np.array([np.cos(angle), np.sin(angle)])
    one, two = turns_seen(ring) != 0, turns_seen(moved) != 0
    drawing.mask ^= one ^ two
    drawing.united |= one | two
    drawing.refusal = SliceRefusal.OVERLAP
    drawing.add(draw(_hands(ring)))
    drawing.add(draw(_hands(moved)))


@st.composite
def _thin_walls(draw: st.DrawFn, drawing: Drawing, cell: tuple[int, int]) -> None:
    """Draw a ring twice, the second smaller by less than a pixel."""
    ring, centre = draw(_rings(cell))
    outward = np.linalg.norm(ring - centre, axis=1).max()
    inner = centre + (ring - centre) * (1 - draw(_tenths(0.5, 0.8)) / outward)
    region = turns_seen(ring) != 0
    between = region & (turns_seen(inner) == 0)
    assume((between & ~near_lines([ring, inner], JITTER)).any())  # else they are the same pixels
    drawing.enclose(region)
    drawing.refusal = SliceRefusal.NEARLY_REPEATED
    drawing.add(ring)
    drawing.add(inner)


@st.composite
def _cut_copies(draw: st.DrawFn, drawing: Drawing, cell: tuple[int, int]) -> None:
    """Draw a circle twice, the second without a fifth to a third: neither a hole nor the same."""
    ring = np.roll(draw(_circles(cell)), draw(st.integers(0, 40)), axis=0)
    drawing.enclose(turns_seen(ring) != 0)
    drawing.refusal = SliceRefusal.OVERLAP
    drawing.add(draw(_hands(ring)))
    drawing.add(draw(_hands(ring[len(ring) // draw(st.integers(3, 5)) + 1 :])))


@st.composite
def drawings(draw: st.DrawFn, *, sound: bool = False) -> Drawing:
    """Draw a slice; at most one thing on it is a reason to refuse it, and none if it is sound."""
    drawing = Drawing()
    cells = [(x, y) for x in range(3) for y in range(2)]
    spoiling = [None, None, None, _overlaps, _thin_walls, _cut_copies, "depth", "cancel"]
    spoilt = None if sound else draw(st.sampled_from(spoiling))
    made: dict[int, Any] = {0: _bodies, 1: _bodies, 2: _bodies, 3: _halves, 4: _eights}
    for cell in cells[: draw(st.integers(1, 4))]:
        draw(made[draw(st.integers(0, 4))](drawing, cell))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        drawing.remnants += 1
        drawing.add(draw(_remnants()))
    if draw(st.sampled_from([False, False, False, True])) and not drawing.repeated:
        drawing.kinds = [XOR] * len(drawing.kinds)
    if spoilt == "depth" and len(drawing.polygons) - drawing.remnants > 1:
        drawing.offsets_mm[0] = draw(_tenths(0.2, 1.5))
        drawing.refusal = SliceRefusal.DIFFERENT_DEPTHS
    elif spoilt == "cancel":
        drawing.add(drawing.polygons[0][::-1], XOR)
        drawing.refusal = SliceRefusal.CANCEL
    elif callable(spoilt):
        draw(spoilt(drawing, cells[-1]))
    return drawing


_coordinates = st.tuples(st.integers(0, 2 * CELL), st.integers(0, 2 * CELL))
_wild = st.lists(_coordinates.map(lambda p: (p[0] / 2, p[1] / 2)), min_size=1, max_size=7)


@st.composite
def scribbles(draw: st.DrawFn) -> list[Polygon]:
    """Draw contours without any sense, some of them again or nearly so."""
    shift = np.array(draw(st.sampled_from([(0, 0), (0.13, 0.29)])))
    drawn = draw(st.lists(_wild, min_size=1, max_size=3))
    polygons = [np.array(points) + shift for points in drawn]
    for _ in range(draw(st.integers(0, 2))):
        again = draw(st.sampled_from(polygons))
        moved = np.array(draw(st.sampled_from([(0, 0), (0.05, 0), (0.4, 0), (0, 3)])))
        scale = draw(st.sampled_from([1, 1, 0.98, 0.5]))
        polygons.append((again - again.mean(axis=0)) * scale + again.mean(axis=0) + moved)
    return [np.round(polygon, 6) for polygon in polygons]
