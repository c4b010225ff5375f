"""One table of features as it stands in a file: which line is of which patient and region.

Patient IDs, regions, features and four diagnostics columns are read, and nothing else: paths of
images and masks, which may name a patient, go no further than the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.conventions import Field
from feature_store.clinical_tables.delimited_text import read_text
from feature_store.clinical_tables.file_kind import FileKind, file_content
from feature_store.clinical_tables.header import meaning_of, words_of
from feature_store.clinical_tables.patient_ids import patient_id
from feature_store.clinical_tables.sheet import Line, Sheet, text_of
from feature_store.feature_tables.diagnostics import READ, settings_said
from feature_store.feature_tables.feature_names import feature_columns
from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.imaging.regions import Region
from feature_store.wording import counted

LONGEST_FILE = 200 * 2**20
"""Bytes: 1316 features of four regions of some two thousand patients."""
_PATIENT = frozenset({"id", "subject", "case", "pid"})
"""Beside what a clinical table calls its Patient IDs."""
_REGION = frozenset({"region", "roi", "roi name", "structure", "segment", "segment name"})
_RING = re.compile(r"ring ([0-9]+) ?(?:mm)?")
_POINT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = frozenset(
    {"", "nan", "na", "n/a", "none", "null", "inf", "+inf", "-inf", "infinity", "-infinity"}
)


@dataclass(frozen=True)
class OneTable:
    """What one table holds.

    Parameters
    ----------
    names : tuple of str
        PyRadiomics' names of its features.
    values : mapping of (Region, str) to tuple of float
        By region and Patient ID; in the order of `names`, finite.
    said : mapping of str to str
        What its diagnostics say of how all of them were made.
    remarks : tuple of str
        Sentences on what was taken for what.
    rejected : tuple of str
        Why lines are not used, a sentence each.
    """

    names: tuple[str, ...]
    values: Mapping[tuple[Region, str], tuple[float, ...]]
    said: Mapping[str, str]
    remarks: tuple[str, ...]
    rejected: tuple[str, ...]


def read_table(path: Path, region: Region | None, patient_column: str | None) -> OneTable:
    """Read one table of features.

    Parameters
    ----------
    path : Path
        Delimited text with a header, one line for each patient and region.
    region : Region or None
        Of which region the whole table is; `None` where a column names it.
    patient_column : str or None
        The column of the Patient IDs, where its name does not tell.

    Raises
    ------
    FeatureTableError
        If it cannot be read as a whole.
    """
    sheet = _opened(path)
    by_patient = _patient_place(sheet.header, patient_column)
    features = feature_columns(  # the patients' ID is not GLCM's Id
        ["" if place == by_patient else name for place, name in enumerate(sheet.header)]
    )
    by_region = _region_place(sheet.header, region)
    comma = _has_decimal_comma(sheet, features.places)
    rejected: list[str] = []
    values: dict[tuple[Region, str], tuple[float, ...]] = {}
    lines: dict[tuple[Region, str], int] = {}
    twice: set[tuple[Region, str]] = set()
    for line in sheet.lines:
        try:
            who = _patient(line, by_patient, sheet)
            where = region if by_region is None else _region_named(_cell(line, by_region))
            key = (where or Region.GTV, who)
            if key in lines:
                twice.add(key)
                rejected.append(
                    f"Line {line.number}: patient and region {key[0]} stand in line {lines[key]} "
                    "already, so that neither line is used: keep one line for each."
                )
                continue
            lines[key] = line.number
            values[key] = _numbers(line, features.places, comma)
        except ValueError as error:
            if isinstance(error, FeatureTableError):
                raise
            rejected.append(f"Line {line.number}: {error}")
    return OneTable(
        tuple(features.places.values()),
        {key: of_line for key, of_line in values.items() if key not in twice},
        _said(sheet),
        (*sheet.remarks, *features.remarks),
        tuple(rejected),
    )


def region_named(text: str) -> Region | None:
    """Return the region of a name such as ``GTV``, ``gtv-1`` or ``Ring 6 mm``; else `None`."""
    words = " ".join(re.findall(r"[a-z]+|[0-9]+", text.lower()))
    if words in {"gtv", "gtv 1"}:
        return Region.GTV
    found = _RING.fullmatch(words)
    name = f"ring_{int(found[1])}mm" if found else ""
    return Region(name) if name in set(Region) else None


def _opened(path: Path) -> Sheet:
    try:
        kind, content = file_content(path, LONGEST_FILE)
        if kind is FileKind.WORKBOOK:
            raise FeatureTableError(
                "The table of features is an Excel workbook, expected CSV as PyRadiomics writes "
                "it, since a spreadsheet changes numbers: import the original."
            )
        sheet = read_text(content, _is_known)
    except ClinicalTableError as error:
        # one reader of files for both kinds of tables, which speaks of the other
        raise FeatureTableError(_of_features(str(error))) from error
    if not sheet.lines:
        raise FeatureTableError(
            "The table of features has no line below its header, expected one for each patient "
            "and region."
        )
    return sheet


def _of_features(sentence: str) -> str:
    """Return what was said of a clinical table as it is said of one of features."""
    what = sentence.replace("clinical table", "table of features")
    kind, expected, _ = what.partition(", expected CSV or .xlsx.")
    return f"{kind}, expected CSV: import the file that PyRadiomics wrote." if expected else what


def _is_known(name: str) -> bool:
    words = words_of(name)
    return _is_patient(name) or words in _PATIENT | _REGION or "_" in name


def _is_patient(name: str) -> bool:
    meaning = meaning_of(name)
    return meaning is not None and meaning.field is Field.PATIENT_ID


def _patient_place(header: Sequence[str], named: str | None) -> int:
    if named is not None:
        places = [place for place, name in enumerate(header) if name.strip() == named.strip()]
        wanted = f"one column called {named}"
    else:
        places = [place for place, name in enumerate(header) if _is_patient(name)] or [
            place for place, name in enumerate(header) if words_of(name) in _PATIENT
        ]
        wanted = "one column of Patient IDs, such as PatientID"
    if len(places) != 1:
        raise FeatureTableError(
            "The table of features has "
            f"{counted(len(places), 'column') if places else 'no column'} that may hold Patient "
            f"IDs, expected {wanted}: name it with --patient-column, or add one with the Patient "
            "IDs of the centre's clinical table. Paths of images are not searched for them."
        )
    return places[0]


def _region_place(header: Sequence[str], region: Region | None) -> int | None:
    places = [place for place, name in enumerate(header) if words_of(name) in _REGION]
    if region is not None:
        return None
    if len(places) != 1:
        several = f"{counted(len(places), 'column')} that name regions"
        raise FeatureTableError(
            f"The table of features has {several if places else 'no column that names a region'}, "
            f"expected one: say of which region the table is, such as {Region.GTV}=FILE, or add a "
            f"column Region with {', '.join(map(str, Region))}."
        )
    return places[0]


def _region_named(text: str) -> Region:
    found = region_named(text)
    if found is None:
        raise ValueError(
            f"The region is none of {', '.join(map(str, Region))}: write one of these, or delete "
            "the line."
        )
    return found


def _cell(line: Line, place: int) -> str:
    return text_of(line.cells[place]) if place < len(line.cells) else ""


def _patient(line: Line, place: int, sheet: Sheet) -> str:
    if not _cell(line, place):
        raise ValueError("The Patient ID is empty.")
    return patient_id(line.cells[place], guessed_encoding=sheet.guessed_encoding)


def _has_decimal_comma(sheet: Sheet, places: Mapping[int, str]) -> bool:
    """Say whether the table writes decimals with a comma; `FeatureTableError` if in both ways."""
    first: dict[str, tuple[int, str]] = {}
    for line in sheet.lines:
        for place, name in places.items():
            cell = line.cells[place] if place < len(line.cells) else ""
            if not isinstance(cell, str):
                continue
            if "," in cell and _COMMA.fullmatch(cell.strip()):
                first.setdefault("comma", (line.number, name))
            elif "." in cell and "point" not in first and _POINT.fullmatch(cell.strip()):
                first.setdefault("point", (line.number, name))
    if len(first) > 1:
        raise FeatureTableError(
            f"The table of features has a decimal comma in line {first['comma'][0]} "
            f"({first['comma'][1]}) and a decimal point in line {first['point'][0]} "
            f"({first['point'][1]}), expected one of them throughout: a spreadsheet may have "
            "changed numbers. Import the file that PyRadiomics wrote."
        )
    return "comma" in first


def _numbers(line: Line, places: Mapping[int, str], comma: bool) -> tuple[float, ...]:
    """Return the features of a line; `ValueError` that names the first that is none."""
    found = []
    for place, name in places.items():
        text = _cell(line, place)
        if text.lower() in _NOT_FINITE:
            raise ValueError(
                f"{name} is empty or not finite: the region may be too small, too thin or too "
                "uniform; check its contour, or delete the column for all."
            )
        plain = text.replace(",", ".", 1) if comma else text
        value = float(plain) if _POINT.fullmatch(plain) else None
        if value is None:
            raise ValueError(f"{name} (column {place + 1}) is not a number: mend the cell.")
        if not math.isfinite(value):
            raise ValueError(
                f"{name} (column {place + 1}) is too large for a number: mend the cell."
            )
        found.append(value)
    return tuple(found)


def _said(sheet: Sheet) -> dict[str, str]:
    """Return what all lines say of how their features were made."""
    places = {
        name.strip().lower(): place
        for place, name in enumerate(sheet.header)
        if name.strip().lower() in READ
    }
    first: dict[tuple[str, ...], int] = {}
    for line in sheet.lines:
        first.setdefault(tuple(_cell(line, place) for place in places.values()), line.number)
    found: dict[tuple[tuple[str, str], ...], int] = {}
    for cells, number in first.items():
        said = settings_said(dict(zip(places, cells, strict=True)))
        found.setdefault(tuple(sorted(said.items())), number)
    if len(found) > 1:
        one, other, *_ = found
        names = sorted({name for name, _ in set(one) ^ set(other)})
        raise FeatureTableError(
            f"The features of lines {found[one]} and {found[other]} were made in different ways "
            f"({', '.join(names)}), expected one way for a whole table: make all of them with one "
            "parameter file, on images of one spacing or resampled."
        )
    return dict(next(iter(found)))
