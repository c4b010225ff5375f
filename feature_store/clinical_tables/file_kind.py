"""What a file is, by its first bytes: text, a workbook, or something that is refused by name."""

from __future__ import annotations

import zipfile
from enum import StrEnum
from io import BytesIO
from pathlib import Path

from feature_store.clinical_records import ClinicalTableError

LONGEST_FILE = 50 * 2**20
_LONGEST_UNPACKED = 400 * 2**20
_SAVE = "Save the table as an Excel workbook (.xlsx) or as CSV in UTF-8, and import that."


class FileKind(StrEnum):
    """What can be read."""

    TEXT = "text"
    WORKBOOK = "Excel workbook"


_BEGINNINGS = (
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a document in rich text (RTF)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"$FL2", "an SPSS file"),
    (b"$FL3", "an SPSS file"),
    (b"ASCII SPSS PORT FILE", "a portable file of SPSS"),
    (b"<stata_dta>", "a Stata file"),
    *(
        (bytes([release, order, 1, 0]), "a Stata file")
        for release in (113, 114, 115)
        for order in (1, 2)
    ),
    (b"HEADER RECORD*******LIB", "a transport file of SAS (XPT)"),
    (b"ARROW1", "a Feather file"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"BZh", "a compressed file (bzip2)"),
    (b"\xfd7zXZ", "a compressed file (xz)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed archive (7z)"),
    (b"Rar!", "a compressed archive (RAR)"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "a SAS file"),
    (b"RDX", "an R file"),
    (b"\x00\x01\x00\x00Standard", "an Access database"),
)
_MARKUP = (
    ("<!doctype html", "a web page (HTML), whatever its name ends with"),
    ("<html", "a web page (HTML), whatever its name ends with"),
    ("<table", "a web page (HTML), whatever its name ends with"),
    ("<?xml", "an XML file"),
    ("[", "a JSON file"),
    ("{", "a JSON file"),
)


def file_content(path: Path, longest: int = LONGEST_FILE) -> tuple[FileKind, bytes]:
    """Read a file that may hold a clinical table.

    Parameters
    ----------
    path : Path
        The file; its name says nothing that its bytes do not.
    longest : int
        Bytes that it may have.

    Returns
    -------
    kind : FileKind
        How to read it.
    content : bytes
        Its bytes.

    Raises
    ------
    ClinicalTableError
        If it cannot be read, is empty or too long, or is something else; the sentence names what.
    """
    try:
        size = path.stat().st_size
        if size > longest:
            raise ClinicalTableError(
                f"The clinical table has {size / 2**20:.0f} MiB, expected at most "
                f"{longest // 2**20}: one row for each patient, and no images."
            )
        content = path.read_bytes()
    except OSError as error:
        raise ClinicalTableError(
            f"The clinical table cannot be read: {error.strerror}. Give a file that exists."
        ) from error
    if not content.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise ClinicalTableError("The clinical table is an empty file, expected a header and rows.")
    if content.startswith(b"PK\x03\x04"):
        return FileKind.WORKBOOK, _workbook(content)
    for beginning, name in _BEGINNINGS:
        if content.startswith(beginning):
            raise _other(name)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise _compound(content)
    if content[128:132] == b"DICM":
        raise _other("a DICOM file")
    start = content[:200].decode("utf-8-sig", errors="replace").lstrip().lower()
    for markup, name in _MARKUP:
        if start.startswith(markup):
            raise _other(name)
    return FileKind.TEXT, content


def _workbook(content: bytes) -> bytes:
    """Return the bytes of an Excel workbook; other ZIP files are named and refused."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = {entry.filename: entry.file_size for entry in archive.infolist()}
            mimetype = archive.read("mimetype")[:80] if "mimetype" in entries else b""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise ClinicalTableError(
            "The clinical table is a damaged Excel workbook or ZIP file: it was perhaps not copied "
            "to its end. Copy it again, or save it anew."
        ) from error
    if sum(entries.values()) > _LONGEST_UNPACKED:
        raise ClinicalTableError(
            f"The clinical table unpacks to more than {_LONGEST_UNPACKED // 2**20} MiB, expected "
            "one row for each patient: copy the table alone into a new workbook."
        )
    if "xl/workbook.xml" in entries:
        return content
    if "xl/workbook.bin" in entries:
        raise _other("a binary Excel workbook (.xlsb)")
    if b"opendocument.spreadsheet" in mimetype:
        raise _other("an OpenDocument spreadsheet (.ods)")
    if b"opendocument.text" in mimetype:
        raise _other("an OpenDocument text (.odt)")
    if any(name.startswith("word/") for name in entries):
        raise _other("a Word document (.docx)")
    if any(name.startswith("ppt/") for name in entries):
        raise _other("a PowerPoint presentation (.pptx)")
    if "Index/Document.iwa" in entries:
        raise _other("a Numbers spreadsheet")
    raise _other("a ZIP archive")


def _compound(content: bytes) -> ClinicalTableError:
    """Name what is in a compound file, as Office wrote them before 2007."""
    if "EncryptedPackage".encode("utf-16-le") in content:
        return ClinicalTableError(
            "The clinical table is an Excel workbook that is protected by a password, which cannot "
            "be opened here. Save a copy without password in a folder that only you can read."
        )
    if "WordDocument".encode("utf-16-le") in content:
        return _other("an old Word document (.doc)")
    if "Workbook".encode("utf-16-le") in content or "Book".encode("utf-16-le") in content:
        return _other("an old Excel workbook (.xls)")
    return _other("an old Office document")


def _other(name: str) -> ClinicalTableError:
    return ClinicalTableError(f"The clinical table is {name}, expected CSV or .xlsx. {_SAVE}")
