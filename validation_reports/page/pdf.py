"""The page laid out as PDF by WeasyPrint, which needs the system's Pango."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dicom_node.durable_files import write_durably
from validation_reports.errors import PdfUnavailableError


def write_pdf(page: str, path: Path) -> str | None:
    """Write a page as PDF.

    Parameters
    ----------
    page : str
        HTML.
    path : Path
        The file; what is there is replaced.

    Returns
    -------
    str or None
        Why there is no PDF, if there is none.
    """
    try:
        content = pdf_of(page)
    except PdfUnavailableError as error:
        return f"The report has no PDF. {error} Or print the page from a browser."
    write_durably(path, content)
    return None


def pdf_of(page: str) -> bytes:
    """Lay a page out, on as many sheets as it takes.

    Parameters
    ----------
    page : str
        HTML.

    Returns
    -------
    bytes
        The PDF; the same page gives the same bytes.

    Raises
    ------
    PdfUnavailableError
        If the system lacks the library for it.
    """
    content: bytes = _weasyprint().HTML(string=page).write_pdf()
    return content


def pdf_on_one_sheet(pages: Iterable[str]) -> bytes:
    """Lay out the first of several settings of one page that fits on one sheet, else the last.

    Parameters
    ----------
    pages : iterable of str
        HTML, from the most to the least spacious; at least one.

    Raises
    ------
    PdfUnavailableError
        If the system lacks the library for it.
    """
    weasyprint = _weasyprint()
    for page in pages:
        document = weasyprint.HTML(string=page).render()
        if len(document.pages) == 1:
            break
    content: bytes = document.write_pdf()
    return content


def _weasyprint() -> Any:
    try:
        import weasyprint  # noqa: PLC0415 - takes a second to import
    except OSError as error:
        raise PdfUnavailableError(
            f"The system's text layout library is absent ({error}): install Pango (Debian: "
            "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0)."
        ) from error
    for name in ("weasyprint", "fontTools"):  # what they say concerns style sheets, not numbers
        logging.getLogger(name).setLevel(logging.ERROR)
    return weasyprint
