"""Reports keep their numbers and lose the rows of a person: pseudonyms, and the row of the check in
R; each says that it is reproducible except for those who were erased.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_node.durable_files import write_durably
from feature_store.tables.store import FeatureStore, StoreError
from feature_store.wording import counted
from validation_reports.errors import ReportFormatError
from validation_reports.report.file_names import JSON_NAME, PAGE_NAME, PDF_NAME, R_FOLDER
from validation_reports.report_folder import render_again

NOTE_NAME = "ERASED.txt"
_ERASURE = "Erasure "
_EXACT, _SURELY_ROUNDED, _SAME_DAY = 1e-9, 1e-6, 0.5


@dataclass(frozen=True)
class Outcome:
    """What reports may say of a person without the name, by which a row is recognised.

    Parameters
    ----------
    center : str
        The centre.
    linear_predictors : tuple of float
        By every model, at every scoring.
    follow_ups : tuple of (float, bool)
        Days, and whether the patient died, at every import.
    """

    center: str
    linear_predictors: tuple[float, ...]
    follow_ups: tuple[tuple[float, bool], ...]


def reports_below(folder: Path) -> list[Path]:
    """Return the folders of the reports."""
    return sorted(path.parent for path in folder.rglob(JSON_NAME)) if folder.is_dir() else []


def is_in(report: Path, patients: Collection[str], outcome: Outcome) -> bool:
    """Say whether a report names a person or has a row of one."""
    text = (report / JSON_NAME).read_text(encoding="utf-8")
    return any(key in text for key in patients) or _place(report, outcome) is not None


def was_read_for(report: Path, store: FeatureStore, center: str, patients: Collection[str]) -> bool:
    """Say whether a report, or the exact record of one, was computed from rows of a person: by the
    versions of the store that it names, as it need not name anybody.

    Parameters
    ----------
    report : Path
        Its JSON.
    store : FeatureStore
        The store, before the person is taken out of it.
    center : str
        The person's centre.
    patients : collection of str
        Pseudonyms.
    """
    made: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    source = made.get("provenance", {})
    if center not in {one.get("center") for one in made.get("centers", ())}:
        return False
    versions = source.get("store_versions", {})
    try:
        for table in {"scores", "clinical"} & versions.keys():
            wanted = {"center": center}
            if table == "scores":
                wanted["model_digest"] = source.get("model_digest")
            rows = store.pinned(versions).rows(table, wanted).column("patient_key").to_pylist()
            if not set(patients).isdisjoint(rows):
                return True
    except StoreError:
        return False  # what it was computed from is gone, with or without the person
    return False


def is_noted(report: Path, erasure: str) -> bool:
    """Say whether a report's folder tells already of an erasure."""
    note = report / NOTE_NAME
    return note.is_file() and erasure in note.read_text(encoding="utf-8")


def take_out_of_report(
    report: Path, patients: Collection[str], outcome: Outcome, erasure: str
) -> str:
    """Take a person out of a report's folder, and say what was done.

    The count of those who were erased is raised before a row goes, so that a process that dies on
    the way may count once more, never once less.

    Parameters
    ----------
    report : Path
        The folder.
    patients : collection of str
        Pseudonyms.
    outcome : Outcome
        By which the row of the check in R is recognised.
    erasure : str
        Number of the erasure, which the folder keeps.
    """
    row = _place(report, outcome)
    file = report / JSON_NAME
    text = file.read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    made["erased"] = int(made.get("erased", 0)) + 1
    placeholder = f"erased-{made['erased']}"
    written = json.dumps(made, indent=1, ensure_ascii=False)
    for key in patients:
        written = written.replace(key, placeholder)
    write_durably(file, written.encode())
    if row is not None:
        _take_row_out(report / R_FOLDER / "patients.csv", row)
    had_pdf = (report / PDF_NAME).is_file()
    note = report / NOTE_NAME
    known = note.read_text(encoding="utf-8").splitlines() if note.is_file() else []
    numbers = [line for line in known if line.startswith(_ERASURE)]
    numbers += [f"{_ERASURE}{erasure}"] * (f"{_ERASURE}{erasure}" not in numbers)
    write_durably(note, "\n".join([_note(made["erased"]), *numbers, ""]).encode())
    try:
        without_pdf = render_again(report, pdf=had_pdf)
    except ReportFormatError:
        without_pdf = _strike_through(report, patients, placeholder)
    if without_pdf:
        (report / PDF_NAME).unlink(missing_ok=True)
    if row is not None:
        what = "its row of the check in R removed"
    elif any(key in text for key in patients):
        what = "its pseudonym removed"
    else:
        what = "the person counted, whom it does not name"
    return f"report {report.name}: {what}, page made again" + (
        f"; without PDF ({without_pdf})" if without_pdf else ""
    )


def take_out_of_record(record: Path, patients: Collection[str], report: Path) -> bool:
    """Take a person's pseudonyms out of the exact record of a report, which counts those who were
    erased as the report does.

    Parameters
    ----------
    record : Path
        The record, whose numbers stay.
    patients : collection of str
        Pseudonyms.
    report : Path
        The report's folder, from which the person was taken; it may be gone.

    Returns
    -------
    bool
        Whether anything was changed.
    """
    text = record.read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    before = int(made.get("erased", 0))
    is_named = any(key in text for key in patients)
    made["erased"] = before + is_named
    if (report / JSON_NAME).is_file():
        made["erased"] = int(json.loads((report / JSON_NAME).read_text("utf-8")).get("erased", 0))
    if not is_named and made["erased"] == before:
        return False
    written = json.dumps(made, indent=1, ensure_ascii=False)
    for key in patients:
        written = written.replace(key, f"erased-{made['erased']}")
    write_durably(record, written.encode())
    return True


def _note(count: int) -> str:
    whom = counted(count, "patient")
    return (
        f"{whom} of this report {'was' if count == 1 else 'were'} erased after it was made. Its "
        f"numbers are as they were found: reproducible except for {count} erased. The "
        "check in R reads patients.csv, which lacks them where it had their rows, and differs by "
        "that."
    )


def _strike_through(report: Path, patients: Collection[str], placeholder: str) -> str:
    """Replace the pseudonyms in a page that this software cannot make again."""
    page = report / PAGE_NAME
    if page.is_file():
        text = page.read_text(encoding="utf-8", errors="surrogateescape")
        for key in patients:
            text = text.replace(key, placeholder)
        write_durably(page, text.encode("utf-8", errors="surrogateescape"))
    return "the report was made by an earlier release, whose PDF cannot be made again"


def _place(report: Path, outcome: Outcome) -> int | None:
    """Return which row of the check in R is the person's, within how its numbers are rounded."""
    file = report / R_FOLDER / "patients.csv"
    if not file.is_file():
        return None
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    if not rows or not {"center", "days", "event", "lp"} <= rows[0].keys():
        return None
    lp_within = _rounding([row["lp"] for row in rows])
    # where scores are exact, so are times, however round these happen to be
    is_rounded = lp_within > _SURELY_ROUNDED
    days_within = _grid([float(row["days"]) for row in rows]) if is_rounded else _SAME_DAY
    best: tuple[float, float, int] | None = None
    for number, row in enumerate(rows):
        if row["center"] != outcome.center:
            continue
        lp, days, event = float(row["lp"]), float(row["days"]), bool(int(float(row["event"])))
        away = min((abs(lp - one) for one in outcome.linear_predictors), default=math.inf)
        late = min(
            (abs(days - one) for one, died in outcome.follow_ups if died == event),
            default=math.inf,
        )
        if away <= lp_within and late <= days_within:
            best = min(best or (away, late, number), (away, late, number))
    return None if best is None else best[2]


def _rounding(texts: Sequence[str]) -> float:
    """Return half a unit of the last decimal that any of the numbers has."""
    decimals = max((len(text.partition(".")[2]) for text in texts if "e" not in text), default=0)
    return max(0.5 * 10.0**-decimals * (1 + 1e-6), _EXACT)


def _grid(days: Sequence[float]) -> float:
    """Return by how much times may be off that stand in a grid of whole days."""
    if any(one != int(one) for one in days):
        return _SAME_DAY
    return max(float(math.gcd(*(int(one) for one in days))), _SAME_DAY)


def _take_row_out(file: Path, row: int) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[row + 1]
    write_durably(file, "".join(lines).encode())


def outcome_of(
    center: str, scores: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]
) -> Outcome:
    """Return what tells a person's row, out of every version of the store."""
    return Outcome(
        center,
        tuple(sorted({float(row["linear_predictor"]) for row in scores})),
        tuple(
            sorted(
                {
                    (float(row["survival_days"]), bool(row["event"]))
                    for row in records
                    if row["survival_days"] is not None and row["event"] is not None
                }
            )
        ),
    )
