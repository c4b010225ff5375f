"""A search of the bytes of files for names: as they lie there, and decompressed, whatever form they
are packed in.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import lzma
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.tables.parquet_text import text_of_parquet

_PIECE_BYTES = 16 << 20
_OVERLAP_BYTES = 256
_ROWS_AT_A_TIME = 500
_DEEPEST = 3
_UID = re.compile(rb"[0-9]+(?:\.[0-9]+){2,}")
_UID_RUN = re.compile(rb"[0-9.]+")
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_EMBEDDED = re.compile(rb"base64,([A-Za-z0-9+/=]{24,})")
_GLYPHS = re.compile(rb"<([0-9A-Fa-f]+)>")
_CHARACTERS = re.compile(rb"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]{4})>")


def _letters(text: bytes) -> npt.NDArray[np.bool_]:
    found = np.zeros(256, dtype=np.bool_)
    found[list(text)] = True
    return found


_PSEUDONYM_LETTERS = _letters(b"abcdefghijklmnopqrstuvwxyz234567")
_DIGEST_LETTERS = _letters(b"0123456789abcdef")
_UID_LETTERS = _letters(b"0123456789.")


@dataclass
class Searched:
    """What a search looked through and found.

    Parameters
    ----------
    files, bytes : int
        How much was read.
    opened : dict of str to int
        How many things of each packed form were opened.
    found : list of Path
        Files that hold one of the names, or are called by it.
    unreadable : list of Path
        Files that could not be read, so that nothing is known of them.
    """

    files: int = 0
    bytes: int = 0
    opened: dict[str, int] = field(default_factory=dict)
    found: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


class Names:
    """Names to be looked for, by their form.

    Parameters
    ----------
    names : collection of str
        Pseudonyms, digests, UIDs and Patient IDs.
    """

    def __init__(self, names: Collection[str]) -> None:
        encoded = {name.encode() for name in names}
        self._fixed = {
            length: (letters, {one for one in encoded if form.fullmatch(one)})
            for length, letters, form in (
                (16, _PSEUDONYM_LETTERS, re.compile(rb"[a-z2-7]{16}")),
                (64, _DIGEST_LETTERS, re.compile(rb"[0-9a-f]{64}")),
            )
        }
        self._uids = {one for one in encoded if _UID.fullmatch(one)}
        self._shortest_uid = min(map(len, self._uids), default=1)
        self._others = encoded - self._uids - self._fixed[16][1] - self._fixed[64][1]

    def are_in(self, content: bytes) -> bool:
        """Say whether one of the names is in some bytes, and not as a part of a longer one.

        Pseudonyms and digests are found wherever in a run of letters they are: a database puts its
        columns side by side.
        """
        for length, (letters, wanted) in self._fixed.items():
            if wanted and any(
                content[at : at + length] in wanted for at in _windows(content, letters, length)[0]
            ):
                return True
        if self._uids:
            starts, mask = _windows(content, _UID_LETTERS, self._shortest_uid)
            for at in starts:
                if at == 0 or not mask[at - 1]:
                    run = _UID_RUN.match(content, at)
                    if run is not None and run.group().strip(b".") in self._uids:
                        return True
        return any(_is_word_in(content, one) for one in self._others)


def _is_word_in(content: bytes, name: bytes) -> bool:
    """Say whether a name is in some bytes, with no letter or digit beside it."""
    at = content.find(name)
    while at >= 0:
        beside = content[max(at - 1, 0) : at] + content[at + len(name) : at + len(name) + 1]
        if not any(one.isalnum() for one in beside.decode("latin-1") if one.isascii()):
            return True
        at = content.find(name, at + 1)
    return False


def _windows(
    content: bytes, letters: npt.NDArray[np.bool_], length: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return where so many bytes in a row are some letters, and which bytes are."""
    mask = letters[np.frombuffer(content, dtype=np.uint8)]
    whole, width = mask, 1
    while width < length and whole.size:
        step = min(width, length - width)
        whole = whole[:-step] & whole[step:]
        width += step
    return np.flatnonzero(whole), mask


def search(
    roots: Iterable[Path],
    names: Names,
    leave_out: Collection[Path] = (),
    in_texts: Names | None = None,
) -> Searched:
    """Look through every file below some folders.

    Parameters
    ----------
    roots : iterable of Path
        The folders.
    names : Names
        What to look for.
    leave_out : collection of Path
        Files that are not looked at.
    in_texts : Names
        What else to look for outside of DICOM files, in which other people may have the same.
    """
    result = Searched()
    for root in roots:
        for path in sorted([root, *root.rglob("*")]):
            if path.is_symlink() or path in leave_out:
                continue
            if names.are_in(path.name.encode()):
                result.found.append(path)
            elif path.is_file():
                is_dicom = path.suffix == ".dcm"
                _look_into(
                    path, (names,) if is_dicom or in_texts is None else (names, in_texts), result
                )
    return result


def _look_into(path: Path, wanted: Iterable[Names], result: Searched) -> None:
    try:
        if any(names.are_in(piece) for piece in _pieces_of(path, result) for names in wanted):
            result.found.append(path)
    except (OSError, ValueError, sqlite3.Error):  # Arrow's errors are ValueErrors
        result.unreadable.append(path)
    result.files += 1


def _pieces_of(path: Path, result: Searched) -> Iterator[bytes]:
    """Yield a file as it lies there, then whatever can be unpacked of it."""
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(0)
        tail = b""
        while piece := file.read(_PIECE_BYTES):
            result.bytes += len(piece)
            yield tail + piece
            tail = piece[-_OVERLAP_BYTES:]
    if head.startswith(b"SQLite format 3\0"):
        _count(result, "SQLite")
        yield from _values(path)
    elif head.startswith(b"PAR1"):
        _count(result, "Parquet")
        yield from text_of_parquet(path)
    elif _may_be_packed(head) or b"%PDF" in head or path.suffix in {".dcm", ".html", ".pdf"}:
        yield from _unpacked(path.read_bytes(), result, 0)


def _count(result: Searched, kind: str) -> None:
    result.opened[kind] = result.opened.get(kind, 0) + 1


def _may_be_packed(head: bytes) -> bool:
    return head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ"))


def _values(path: Path) -> Iterator[bytes]:
    """Yield the texts of every row of an SQLite database, of its log too."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            quoted = table.replace('"', '""')
            rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - its own names
            while some := rows.fetchmany(_ROWS_AT_A_TIME):
                yield b"\n".join(
                    value.encode() if isinstance(value, str) else value
                    for row in some
                    for value in row
                    if isinstance(value, str | bytes)
                )


def _unpacked(content: bytes, result: Searched, depth: int) -> Iterator[bytes]:
    """Yield what is packed in some bytes, and what is packed in that."""
    if depth >= _DEEPEST:
        return
    inner: list[bytes] = []
    unpack: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
        (b"\x1f\x8b", "gzip", gzip.decompress),
        (b"BZh", "bzip2", bz2.decompress),
        (b"\xfd7zXZ", "xz", lzma.decompress),
    )
    for magic, kind, read in unpack:
        if content.startswith(magic):
            with suppress(OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
                inner.append(read(content))
                _count(result, kind)
    if content.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):
            with zipfile.ZipFile(io.BytesIO(content)) as members:
                inner += [members.read(name) for name in members.namelist()]
            _count(result, "zip")
    if b"%PDF" in content:
        _count(result, "PDF")
        yield from _texts_of_pdf(content)
    for found in _EMBEDDED.finditer(content):
        with suppress(binascii.Error):
            inner.append(base64.b64decode(found.group(1)))
    for one in inner:
        yield one
        yield from _unpacked(one, result, depth + 1)


def _texts_of_pdf(content: bytes) -> Iterator[bytes]:
    """Yield the streams of a PDF, and what they say in letters where they say it in glyphs."""
    streams = []
    for found in _STREAM.finditer(content):
        data = found.group(1)
        with suppress(zlib.error):
            data = zlib.decompressobj().decompress(data)
        streams.append(data)
        yield data
    alphabets: list[dict[bytes, bytes]] = [
        {glyph.lower(): chr(int(letter, 16)).encode() for glyph, letter in _CHARACTERS.findall(one)}
        for one in streams
        if b"beginbfchar" in one
    ]
    for data in streams:
        runs = [run.lower() for run in _GLYPHS.findall(data)] if b"BT" in data else []
        for alphabet in alphabets if runs else ():
            yield b"".join(
                alphabet.get(run[at : at + 4], b" ") for run in runs for at in range(0, len(run), 4)
            )


def names_left(paths: Iterable[Path], names: Names, roots: Iterable[Path]) -> list[str]:
    """Return paths for people, without what they would name."""
    said: list[str] = []
    for path in paths:
        root: Any = next((one for one in roots if path.is_relative_to(one)), path.parent)
        parts = path.relative_to(root).parts
        told = ["(named after the person)" if names.are_in(one.encode()) else one for one in parts]
        said.append("/".join([root.name, *told]))
    return said
