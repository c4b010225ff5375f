"""A list of patients or studies to be fetched, and the file beside it in which each line has its
result. The list names people; its results name pseudonyms only.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from dicom_node.errors import StudyListError
from dicom_node.pseudonym import pseudonym
from dicom_node.wording import counted

RESULTS_ENDING: Final = ".results.csv"
_COLUMNS: Final = {
    "patientid": "PatientID",
    "accessionnumber": "AccessionNumber",
    "studyinstanceuid": "StudyInstanceUID",
}
_DELIMITERS: Final = ",;\t"
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST: Final = {"PatientID": 64, "AccessionNumber": 16, "StudyInstanceUID": 64}
"""PS3.5 section 6.2: LO, SH, UI."""
_MOST_LINES: Final = 100_000
_LONGEST_FILE: Final = 1 << 26
_OWNER_ONLY: Final = 0o600


class Outcome(StrEnum):
    """What became of a line."""

    FETCHED = "fetched"
    HERE = "here already"
    SOME = "partly"
    """Something that the PACS has did not come."""
    NOT_FOUND = "not found"
    LEFT = "left"
    """The PACS has it, and the centre's rule takes none of it."""
    WRONG = "wrong line"
    FAILED = "failed"
    """The PACS did not answer, or with an error; the next run asks again."""


_ASKED_AGAIN: Final = frozenset((Outcome.FAILED, Outcome.SOME))


@dataclass(frozen=True)
class Line:
    """One line of a list.

    Parameters
    ----------
    number : int
        Of the file, from 1; the head is the first.
    keys : mapping of str to str
        What it names, by keyword.
    fault : str or None
        Why it cannot be asked for, as a sentence.
    """

    number: int
    keys: Mapping[str, str]
    fault: str | None = None


@dataclass(frozen=True)
class LineResult:
    """What became of one line, as it stands in the file of results.

    Parameters
    ----------
    line : int
        Its number.
    wish : str
        Keyed pseudonym of what it names: a line that was changed is another one.
    outcome : Outcome
        What became of it.
    patient, study : str
        Pseudonyms, empty where none is known.
    instances : int
        How many came.
    sentence : str
        What there is to say.
    """

    line: int
    wish: str
    outcome: Outcome
    patient: str = ""
    study: str = ""
    instances: int = 0
    sentence: str = ""


def read_list(file: Path) -> list[Line]:
    """Return the lines of a list; those that name nothing usable have a fault.

    The head names the columns: ``patient_id``, ``accession_number``, ``study_instance_uid``, one or
    more of them; others are passed over. What a line names together must hold together.

    Parameters
    ----------
    file : Path
        Text in UTF-8, delimited by commas, semicolons or tabulators.

    Raises
    ------
    StudyListError
        If it cannot be read, or has none of these columns or no line.
    """
    rows = list(_rows(file))
    if not rows:
        raise StudyListError(f"The list {file.name} is empty: {_EXPECTED}.")
    head = [_COLUMNS.get(re.sub(r"[\s_-]", "", cell).casefold()) for cell in rows[0][1]]
    known = [one for one in head if one]
    if not known or len(set(known)) != len(known):
        raise StudyListError(
            f"The list {file.name} has {'no' if not known else 'twice a'} column that names "
            f"patients or studies: {_EXPECTED}."
        )
    lines: list[Line] = []
    first: dict[frozenset[tuple[str, str]], int] = {}
    for number, cells in rows[1:]:
        values = zip(head, cells, strict=False)
        keys = {key: cell.strip() for key, cell in values if key and cell.strip()}
        fault = _fault(keys)
        earlier = first.setdefault(frozenset(keys.items()), number)
        if fault is None and earlier != number:
            fault = f"the line names the same as line {earlier}: one of them is enough"
        lines.append(Line(number, keys, fault))
    if not lines:
        raise StudyListError(f"The list {file.name} has no line below its head: {_EXPECTED}.")
    return lines


_EXPECTED: Final = (
    "expected a head with patient_id, accession_number or study_instance_uid, and a line below it "
    "for each patient or study"
)


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank."""
    try:
        if file.stat().st_size > _LONGEST_FILE:
            raise StudyListError(f"The list {file.name} is longer than 64 MiB: split it.")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyListError(f"The list {file.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise StudyListError(f"The list {file.name} is not UTF-8: save it as CSV UTF-8.") from error
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for count, cells in enumerate(reader):
            if count > _MOST_LINES:
                raise StudyListError(f"The list {file.name} has over 100 000 lines: split it.")
            if any(cell.strip() for cell in cells) or (cells and count):
                yield reader.line_num, cells
    except csv.Error as error:
        raise StudyListError(
            f"The list {file.name} cannot be read in line {reader.line_num}: save it as CSV anew."
        ) from error


def _fault(keys: Mapping[str, str]) -> str | None:
    if not keys:
        return "The line names nobody: give a Patient ID, accession number or Study Instance UID."
    for key, value in keys.items():
        if any(one in "*?\\" or not one.isprintable() for one in value):
            return (
                f"Its {key} has a character with which a PACS would search for more than one "
                "(* ? \\), or that cannot be printed: correct it."
            )
        if len(value) > _LONGEST[key]:
            return (
                f"Its {key} has {counted(len(value), 'character')}, expected at most "
                f"{_LONGEST[key]}: correct it."
            )
    uid = keys.get("StudyInstanceUID")
    if uid is not None and not _UID.fullmatch(uid):
        return "Its StudyInstanceUID is not a UID: expected digits and dots, like 1.2.840.1."
    return None


def wish_of(key: bytes, center: str, line: Line) -> str:
    """Return the keyed pseudonym of what a line names."""
    parts = (part for pair in sorted(line.keys.items()) for part in pair)
    return pseudonym(key, "wish", center, *parts)


class Results:
    """The results of a list, in a file beside it that only its owner reads; open as long as the
    context, by one process.

    Parameters
    ----------
    file : Path
        Where they lie; is made.

    Raises
    ------
    StudyListError
        If it cannot be read or written, or another process has it open.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            handle = os.open(file, os.O_CREAT | os.O_RDWR | os.O_APPEND, _OWNER_ONLY)
            self._stream = os.fdopen(handle, "r+", encoding="utf-8", newline="")
        except OSError as error:
            raise StudyListError(
                f"The results cannot be written to {file.name}: {error.strerror}."
            ) from error
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._known = self._read()
        except BlockingIOError as error:
            self._stream.close()
            raise StudyListError(
                f"The list of {file.name} is being fetched already: wait for its end, or stop it."
            ) from error
        except StudyListError:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def done(self, line: Line, wish: str) -> LineResult | None:
        """Return the result of a line that need not be asked for again."""
        known = self._known.get(line.number)
        if known is None or known.wish != wish or known.outcome in _ASKED_AGAIN:
            return None
        return known

    def add(self, result: LineResult) -> None:
        """Append a result, on the disk when this returns.

        Raises
        ------
        StudyListError
            If it cannot be written.
        """
        buffer = io.StringIO()
        csv.writer(buffer).writerow([str(getattr(result, one)) for one in _FIELDS])
        try:
            self._stream.write(buffer.getvalue())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise StudyListError(
                f"The results cannot be written to {self._file.name}: {error.strerror}."
            ) from error
        self._known[result.line] = result

    def latest(self) -> list[LineResult]:
        """Return the newest result of each line."""
        return [self._known[number] for number in sorted(self._known)]

    def _read(self) -> dict[int, LineResult]:
        """Return the newest result of each line; what a death left of a last one is taken off."""
        self._stream.seek(0)
        text = self._stream.read()
        whole, _, cut = text.rpartition("\n")
        if cut:
            self._stream.truncate(len((whole + "\n" if whole else "").encode()))
        found = {}
        rows = list(csv.reader(io.StringIO(whole, newline="")))
        if not rows:
            self._stream.write(",".join(_FIELDS) + "\r\n")
        elif rows[0] != list(_FIELDS):
            raise StudyListError(
                f"{self._file.name} holds something else than results of a list: move it away."
            )
        for row in rows[1:]:
            try:
                line, wish, outcome, patient, study, instances, sentence = row
                result = LineResult(
                    int(line), wish, Outcome(outcome), patient, study, int(instances), sentence
                )
            except ValueError:
                continue  # somebody wrote in it; the line is asked for again
            found[result.line] = result
        return found


_FIELDS: Final = tuple(one.name for one in fields(LineResult))


@dataclass(frozen=True)
class Tally:
    """How far a list is.

    Parameters
    ----------
    sentence : str
        In words.
    left : int
        Lines without a result.
    is_done : bool
        Whether no line is left to be asked for, or asked for again.
    """

    sentence: str
    left: int
    is_done: bool


def tally(lines: Sequence[Line], results: Results) -> Tally:
    """Count the results of a list.

    Parameters
    ----------
    lines : sequence of Line
        The list.
    results : Results
        Their results.
    """
    numbers = {one.number for one in lines}
    counts = Counter(one.outcome for one in results.latest() if one.line in numbers)
    left = len(lines) - counts.total()
    said = [f"{counts[one]} {one}" for one in Outcome if counts[one]]
    if left:
        said.append(f"{left} not asked for yet")
    again = left + sum(counts[one] for one in _ASKED_AGAIN)
    more = f"; run it again for {again} of them" if again else ""
    return Tally(f"{counted(len(lines), 'line')}: {', '.join(said)}{more}", left, not again)


@contextmanager
def results_of(file: Path) -> Iterator[Results]:
    """Open the results of a list.

    Parameters
    ----------
    file : Path
        The list.
    """
    with Results(file.with_name(file.stem + RESULTS_ENDING)) as results:
        yield results
