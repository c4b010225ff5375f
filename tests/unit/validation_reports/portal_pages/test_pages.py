"""The portal's pages: what they name is escaped, and they carry neither script nor style."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from validation_reports.portal_pages import pages

TEMPLATES = Path(pages.__file__).parent / "templates"


def test_what_is_shown_is_never_markup() -> None:
    page = pages.render("error", title="<b>", user=None, words="<script>alert(1)</script>")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<title>&lt;b&gt;" in page


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="words"):
        pages.render("error", title="t", user=None)


@pytest.mark.parametrize("file", sorted(path.name for path in TEMPLATES.iterdir()))
def test_no_template_runs_a_script_or_asks_another_host(file: str) -> None:
    text = (TEMPLATES / file).read_text(encoding="utf-8")
    assert not re.search(r"<script|javascript:|\bon\w+=|\bstyle=|<style|https?://", text)


def test_the_style_asks_nobody_and_has_a_name_of_its_content() -> None:
    assert b"url(" not in pages.style()
    assert b"@import" not in pages.style()
    assert re.fullmatch(r"portal-[0-9a-f]{12}\.css", pages.style_name())
