"""A person's rows go out of every kind of table that an import reads; all else stays."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable

import pytest
from openpyxl import Workbook, load_workbook

from feature_store.clinical_tables.rows_of_person import without_rows


def _is_who(cell: str) -> bool:
    return cell == "P-2"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("cp1252"),
    ],
    ids=["UTF-8", "with a mark", "UTF-16", "Windows"],
)
def test_rows_of_text_go_and_every_other_byte_stays(
    mark: str, encode: Callable[[str], bytes]
) -> None:
    rows = [["id", "remark"], ["P-1", "é"], ["P-2", "a"], ["P-22", "P-2 b"], [" P-2 ", "c"]]
    lines = [mark.join(row) + "\r\n" for row in rows]
    content, gone = without_rows(encode("".join(lines)), _is_who)
    assert gone == 2
    assert content == encode("".join([lines[0], lines[1], lines[3]]))


def test_a_quoted_cell_over_two_lines_goes_whole() -> None:
    content, gone = without_rows(b'id,remark\nP-2,"first\nsecond"\nP-3,x\n', _is_who)
    assert (content, gone) == (b"id,remark\nP-3,x\n", 1)


def test_rows_of_a_workbook_go_from_every_sheet() -> None:
    book = Workbook()
    book.active.append(["id", "days"])
    for number in (1, 2, 3, 2):
        book.active.append([f"P-{number}", number])
    book.create_sheet("more").append(["P-2", "x"])
    written = io.BytesIO()
    book.save(written)
    content, gone = without_rows(written.getvalue(), _is_who)
    assert gone == 3
    left = load_workbook(io.BytesIO(content))
    assert [row[0] for row in left.worksheets[0].values] == ["id", "P-1", "P-3"]
    assert without_rows(content, _is_who) == (content, 0)


def test_what_only_looks_like_a_workbook_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be opened"):
        without_rows(b"PK\x03\x04 no zip", _is_who)
