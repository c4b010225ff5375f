"""The rows of a table that could not be used, as a file beside it for whoever mends them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from feature_store.clinical_tables.reading import TableReading
from feature_store.clinical_tables.sheet import text_of

REJECTED_ENDING = ".rejected.csv"


def rejected_rows_file(table: Path) -> Path:
    """Return where the rejected rows of a table go: beside it, under its name."""
    return table.with_name(table.name + REJECTED_ENDING)


def write_rejected_rows(table: Path, reading: TableReading) -> Path | None:
    """Write the rows that could not be used, each with its line and what is wrong with it.

    The file holds patients as the table does, so that only its owner may read it. One of an earlier
    reading is removed.

    Parameters
    ----------
    table : Path
        The table's file.
    reading : TableReading
        What was read from it.

    Returns
    -------
    Path or None
        The file; `None` where every row was read.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    file = rejected_rows_file(table)
    file.unlink(missing_ok=True)
    if not reading.table.rejected:
        return None
    cells = {line.number: line.cells for line in reading.sheet.lines}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "what is wrong", *reading.sheet.header])
        for line, sentence in reading.table.rejected:
            writer.writerow([line, sentence, *map(text_of, cells[line])])
    return file
