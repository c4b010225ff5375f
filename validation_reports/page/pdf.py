"""The page laid out as PDF by WeasyPrint, which needs the system's Pango."""

from __future__ import annotations

import logging
from pathlib import Path

from dicom_node.durable_files import write_durably


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
        import weasyprint  # noqa: PLC0415 - takes a second to import
    except OSError as error:
        return (
            f"The report has no PDF, because the system's text layout library is absent ({error}): "
            "install Pango (Debian: libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0), or "
            "print the page from a browser."
        )
    for name in ("weasyprint", "fontTools"):  # what they say concerns style sheets, not numbers
        logging.getLogger(name).setLevel(logging.ERROR)
    write_durably(path, weasyprint.HTML(string=page).write_pdf())
    return None
