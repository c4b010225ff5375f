"""Files that are shown as they are: reports, pages on the expectations, pictures."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

from starlette.responses import FileResponse, Response

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
"""Content-Security-Policy of the portal's own pages: no script, no other host, no style inline."""
REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
"""Of reports and pages on the expectations, which carry their style in them; nor do they run a
script or ask another host.
"""
_KINDS: Final = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".pdf": "application/pdf",
        ".json": "application/json",
        ".csv": "text/csv; charset=utf-8",
        ".R": "text/plain; charset=utf-8",
    }
)


def file_response(path: Path) -> Response:
    """Return a file of one of the kinds that are shown."""
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return FileResponse(path, media_type=_KINDS[path.suffix], headers=headers)
