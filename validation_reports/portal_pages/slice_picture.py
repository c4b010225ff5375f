"""One axial slice of a CT as a picture, with the outlines of what was measured in it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

WINDOW_HU: Final = (-1000.0, 400.0)
"""What is black and what is white: wide enough for lung, soft tissue and the edge between."""
PIXELS_A_VOXEL: Final = 3
GTV_COLOUR: Final = (255, 176, 0)
RING_COLOURS: Final = ((100, 143, 255), (120, 94, 240), (220, 38, 127))
"""Told apart by people who see colours differently too; rings are dotted besides."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Mask = npt.NDArray[np.bool_]


def slice_picture(
    hu: npt.NDArray[np.float32], gtv: Mask, rings: Sequence[Mask]
) -> npt.NDArray[np.uint8]:
    """Draw one slice.

    Parameters
    ----------
    hu : ndarray of float32, shape (y, x)
        Hounsfield units; the patient's left is at the right edge, posterior at the bottom.
    gtv : ndarray of bool, shape (y, x)
        Its outline is a whole line.
    rings : sequence of ndarray of bool, shape (y, x)
        The outlines of the rings are dotted.

    Returns
    -------
    ndarray of uint8, shape (3 y, 3 x, 3)
        Red, green and blue.
    """
    low, high = WINDOW_HU
    gray = np.clip((hu - low) / (high - low), 0.0, 1.0) * 255
    picture = np.repeat(_enlarged(np.round(gray).astype(np.uint8))[..., None], 3, axis=2)
    rows, columns = np.indices(picture.shape[:2], sparse=True)
    dots = (rows + columns) % 6 < 3
    for ring, colour in zip(rings, RING_COLOURS, strict=False):
        # with the GTV filled in, so that only the outer edge is drawn
        picture[_outline(_enlarged(ring | gtv)) & dots] = colour
    picture[_outline(_enlarged(gtv))] = GTV_COLOUR
    return picture


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG file (ISO/IEC 15948): 8 bits, true colour.

    Parameters
    ----------
    picture : ndarray of uint8, shape (rows, columns, 3)
        Red, green and blue.
    """
    rows, columns, _ = picture.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    lines = np.zeros((rows, 1 + columns * 3), dtype=np.uint8)
    lines[:, 1:] = picture.reshape(rows, -1)
    return _SIGNATURE + b"".join(
        _chunk(kind, content)
        for kind, content in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(lines.tobytes(), 6)),
            (b"IEND", b""),
        )
    )


def _enlarged(plane: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return plane.repeat(PIXELS_A_VOXEL, axis=0).repeat(PIXELS_A_VOXEL, axis=1)


def _outline(mask: npt.NDArray[np.generic]) -> Mask:
    """Return the pixels of a mask that touch one outside of it, or the picture's edge."""
    inside = np.pad(mask.astype(np.bool_), 1)
    inner = inside[1:-1, 1:-1]
    surrounded = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:] & inner
    return np.asarray(inner & ~surrounded, dtype=np.bool_)


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
