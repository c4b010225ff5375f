"""A name is found in whatever form it is packed, and a longer one is not taken for it."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.erasure.search import Names, names_left, search
from validation_reports.page.pdf import write_pdf

KEY, UID, DIGEST, ID = "abcdefghij234567", "1.2.826.0.1.77.5", "0f" * 32, "SYN-B-002"
NAMES = Names([KEY, UID, DIGEST, ID])


def found(folder: Path) -> list[str]:
    return [path.name for path in search([folder], NAMES).found]


@pytest.mark.parametrize("name", [KEY, UID, DIGEST, ID])
@pytest.mark.parametrize(
    "pack",
    [
        lambda text: text,
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda text: gzip.compress(gzip.compress(text)),
        lambda text: b'<a href="data:text/csv;base64,' + base64.b64encode(text) + b'">',
    ],
)
def test_a_name_is_found_however_it_is_packed(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    text = f"a line,{name},and more".encode() * 3
    (tmp_path / "file.html").write_bytes(pack(text))
    (tmp_path / "other.html").write_bytes(pack(text.replace(name[-3:].encode(), b"zzz")))
    assert found(tmp_path) == ["file.html"]


def test_a_name_is_found_in_every_kind_of_file_that_an_installation_has(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("sheet.xml", f"<v>{ID}</v>" * 100)
    np.savez_compressed(tmp_path / "b.npz", names=np.array([KEY], dtype="S16"))
    repeated = pa.table({"study": [KEY, KEY], "n": [1, 2], "texts": [["x"], [f"about {UID}"]]})
    pq.write_table(repeated, tmp_path / "c.parquet", compression="zstd")
    with sqlite3.connect(tmp_path / "d.sqlite") as database:
        database.execute("CREATE TABLE t (before TEXT, uid TEXT, after TEXT, long TEXT)")
        database.execute("INSERT INTO t VALUES ('1.2', ?, '1.2.840', ?)", (UID, "x" * 9000))
    database.close()
    page = f"<html><body><p>excluded: <code>{KEY}</code> and others</p></body></html>"
    assert write_pdf(page, tmp_path / "e.pdf") is None
    (tmp_path / f"{KEY}.txt").write_text("nothing")
    (tmp_path / "f.bin").write_bytes(b"zz" + KEY.encode() + b"zz")  # columns side by side
    assert found(tmp_path) == ["a.xlsx", f"{KEY}.txt", "b.npz", "c.parquet", "d.sqlite", "e.pdf",
                               "f.bin"]  # fmt: skip
    assert "(named after the person)" in names_left([tmp_path / f"{KEY}.txt"], NAMES, [tmp_path])[0]


def test_a_longer_name_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{UID}1 {UID}.4 0{UID} 9.{UID} {ID}1 X{ID}")
    assert found(tmp_path) == []


def test_patient_ids_are_not_looked_for_in_dicom_files(tmp_path: Path) -> None:
    for name in ("a.dcm", "a.txt"):
        (tmp_path / name).write_text(ID)
    looked = search([tmp_path], Names([KEY]), in_texts=Names([ID]))
    assert [path.name for path in looked.found] == ["a.txt"]


def test_across_the_pieces_in_which_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.erasure.search._PIECE_BYTES", 300)
    for at in range(280, 320):
        (tmp_path / f"{at}.bin").write_bytes(b" " * at + KEY.encode() + b" " * 50)
    assert len(found(tmp_path)) == 40
