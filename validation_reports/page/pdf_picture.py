"""A PDF as a picture, drawn by PDFium, for readers that take no PDF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DOTS_PER_INCH = 150.0
"""Print of 5.6 pt is 12 pixels high; an A4 is 6.5 MB in three colours."""


def picture_of(pdf: bytes, dots_per_inch: float = DOTS_PER_INCH) -> NDArray[np.uint8]:
    """Draw the sheets of a PDF below each other.

    Parameters
    ----------
    pdf : bytes
        The document.
    dots_per_inch : float
        Pixels in an inch of paper.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        Red, green and blue; the same document gives the same picture.
    """
    import pypdfium2  # noqa: PLC0415 - few processes draw one

    with pypdfium2.PdfDocument(pdf) as document:
        sheets = [
            sheet.render(scale=dots_per_inch / 72, rev_byteorder=True).to_numpy()[..., :3]
            for sheet in document
        ]
    widest = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate(
        [
            np.pad(
                sheet,
                ((0, 0), (0, widest - sheet.shape[1]), (0, 0)),
                constant_values=255,
            )
            for sheet in sheets
        ]
    )
