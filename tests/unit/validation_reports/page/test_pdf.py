"""The PDF's pages: no row of a table stands alone at the end or the beginning of one."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest


@pytest.mark.slow
def test_no_row_stands_alone_on_a_page(page: str) -> None:
    try:
        import weasyprint
        from weasyprint.formatting_structure import boxes
    except OSError as error:
        if os.environ.get("ANNULUS_REQUIRE_PEERS") == "1":
            raise
        pytest.skip(f"no Pango: {error}")
    rows: dict[int, list[int]] = defaultdict(list)
    for sheet in weasyprint.HTML(string=page).render().pages:
        for box in sheet._page_box.descendants():
            if isinstance(box, boxes.TableBox):
                bodies = [group for group in box.children if not group.is_header]
                rows[id(box.element)].append(sum(len(group.children) for group in bodies))
    broken = [parts for parts in rows.values() if len(parts) > 1]
    assert len(rows) > 20
    assert broken, "no table reaches a second page, so nothing is tested"
    assert min(min(parts) for parts in broken) > 1, broken
