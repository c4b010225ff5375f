"""Renders the portal's pages; they run no script and ask no other host."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from feature_store.wording import counted
from validation_reports.not_estimable import NotEstimable
from validation_reports.wording import horizon_words, interval, number, p_words, percent, refusal

_FOLDER: Final = Path(__file__).parent
_STYLE: Final = _FOLDER / "static" / "portal.css"
_ESTIMATES: Final = ("estimate", "auc", "per_year", "mean")
"""What results call the number that their interval is about."""


def render(page: str, **values: Any) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    page : str
        Name of its template, without suffix.
    **values
        What it shows; a value that the template names and that is not given is an error.
    """
    template = _environment().get_template(f"{page}.html.j2")
    return template.render(style=style_name(), **values)


@cache
def style() -> bytes:
    """Return the style sheet of all pages."""
    return _STYLE.read_bytes()


@cache
def style_name() -> str:
    """Return the name under which the style sheet is asked for, another for each content, so that
    browsers may keep it.
    """
    return f"portal-{hashlib.sha256(style()).hexdigest()[:12]}.css"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        time=_time,
        short=lambda digest: str(digest)[:12],
        number=number,
        percent=percent,
        counted=counted,
        horizon=horizon_words,
        limits=_limits,
        refusal=refusal,
        p_words=p_words,
    )
    return environment


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _limits(found: Any) -> str:
    """Return an estimate with its interval, or that there is none."""
    if isinstance(found, NotEstimable):
        return "not estimable"
    name = next(one for one in _ESTIMATES if hasattr(found, one))
    return interval(getattr(found, name), found.lower, found.upper)
