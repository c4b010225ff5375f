"""A person is taken out of every version of a Delta table.

Each version stays readable under its number, so that reports and bundles still find what they name:
files that hold rows of the person are written again without them, and every entry of the log is
written again to name those instead. Nothing else of any version changes, and no file, statistic or
entry from before is left.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from feature_store.tables.arrow_rows import plain_type
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.older_log import bring_all_back
from feature_store.tables.parquet_text import text_of_parquet, texts_or_bytes
from feature_store.tables.storage_errors import in_words
from feature_store.tables.table_folder import LOG, TableFolder

_NEW_LOG, _OLD_LOG = f"{LOG}_without", f"{LOG}_before"
_PERSON_COLUMNS = ("patient_key", "study_key")
_KEPT_OF_A_COMMIT = ("timestamp", "operation", "engineInfo", "annulus.lost")
REDACTED = "erased-person"
"""Stands where a sentence about others named the person."""


@dataclass(frozen=True)
class Rewritten:
    """What was done to one table.

    Parameters
    ----------
    table : str
        Its name.
    versions : int
        How many versions it has, each under the number that it had.
    files : int
        Files that were written again or are gone.
    rows : int
        Rows that are gone from these files.
    """

    table: str
    versions: int
    files: int
    rows: int


@dataclass(frozen=True)
class _NewFile:
    """What takes the place of a file: path, size and statistics; no path where no row is left."""

    path: str | None
    size: int = 0
    stats: str = ""
    rows_gone: int = 0


def take_out(
    folder: TableFolder, patients: Collection[str], studies: Collection[str], keys: Collection[str]
) -> Rewritten:
    """Take a person out of every version of a table, while nobody else reads or writes it.

    May be interrupted anywhere and begun again.

    Parameters
    ----------
    folder : TableFolder
        The table, on a local disk.
    patients, studies : collection of str
        Pseudonyms of the person and the person's studies.
    keys : collection of str
        Names of the columns of which the log keeps statistics.

    Raises
    ------
    StoreError
        If the table lies in an object store, its log is not whole, or the disk does not take it.
    """
    name = folder.uri.rstrip("/").rsplit("/", 1)[-1]
    root = folder.local
    if root is None:
        raise StoreError(
            f"The table {name} lies in an object store, whose older versions of objects cannot be "
            "looked through from here: copy the store to a local disk, erase there, and replace it."
        )
    if not root.is_dir():
        return Rewritten(name, 0, 0, 0)
    names = frozenset({*patients, *studies})
    log, new_log, old_log = root / LOG, root / _NEW_LOG, root / _OLD_LOG
    try:
        rows = files = 0
        if log.is_dir() and not old_log.is_dir():
            shutil.rmtree(new_log, ignore_errors=True)
            bring_all_back(folder)
            replaced = _write_files(root, names, keys)
            files, rows = len(replaced), sum(one.rows_gone for one in replaced.values())
            _write_log(name, log, new_log, replaced, names)
            folder.bring_all_to_disk()
            log.rename(old_log)
        if new_log.is_dir() and not log.is_dir():
            new_log.rename(log)
        checkpoints = _checkpoints(old_log) if old_log.is_dir() else []
        _remove_what_names(root, names)
        for version in checkpoints:
            DeltaTable(folder.uri, version=version).create_checkpoint()
        shutil.rmtree(old_log, ignore_errors=True)
        folder.forget_synced()
        folder.bring_all_to_disk()
        return Rewritten(name, len(list(log.glob("*.json"))), files, rows)
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise StoreError(
            f"The table {name} cannot be written again without the person: {in_words(error)}. "
            "What was begun goes on when it is asked for again."
        ) from error


def rows_of(folder: TableFolder, patients: Collection[str], studies: Collection[str]) -> int:
    """Return how many rows of a person are in the files of a table, in whatever version.

    Parameters
    ----------
    folder : TableFolder
        The table; in an object store it is not looked through.
    patients, studies : collection of str
        Pseudonyms.
    """
    if folder.local is None or not folder.local.is_dir():
        return 0
    names = pa.array(sorted({*patients, *studies}), pa.string())
    return sum(_count(path, names) for path in _data_files(folder.local))


def rows_in(folder: TableFolder, patients: Collection[str]) -> list[dict[str, Any]]:
    """Return a person's rows out of every file of a table, in whatever version."""
    found: list[dict[str, Any]] = []
    for path in _data_files(folder.local) if folder.local and folder.local.is_dir() else ():
        if "patient_key" in pq.read_schema(path).names:
            rows = _rows(path)
            mine = pc.is_in(rows.column("patient_key"), value_set=pa.array(list(patients)))
            found += [{"center": _center(path), **row} for row in rows.filter(mine).to_pylist()]
    return found


def people_in(folder: TableFolder) -> set[tuple[str, str, str]]:
    """Return centre, patient and study pseudonym of every row in every file of a table; the study
    is empty where a table has none.
    """
    found: set[tuple[str, str, str]] = set()
    for path in _data_files(folder.local) if folder.local and folder.local.is_dir() else ():
        there = [one for one in _PERSON_COLUMNS if one in pq.read_schema(path).names]
        if "patient_key" in there:
            found |= {
                (_center(path), row["patient_key"], row.get("study_key") or "")
                for row in _rows(path, there).to_pylist()
                if row["patient_key"]
            }
    return found


def _center(path: Path) -> str:
    """Return the centre whose partition a file lies in."""
    return unquote(path.parent.name.partition("=")[2])


def _rows(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a file with texts as plain ones, whichever of Arrow's kinds it names."""
    rows = pq.ParquetFile(path).read(columns=columns)
    return rows.cast(pa.schema([one.with_type(plain_type(one.type)) for one in rows.schema]))


def _data_files(root: Path) -> list[Path]:
    """Return the files of rows that a version may name."""
    return sorted(
        path
        for path in root.rglob("*.parquet")
        if not any(part.startswith(("_", ".")) for part in path.relative_to(root).parts)
    )


def _count(path: Path, names: pa.Array) -> int:
    there = [one for one in _PERSON_COLUMNS if one in pq.read_schema(path).names]
    if not there:
        return 0
    rows = _rows(path, there)
    return int(pc.sum(_is_of(rows, names)).as_py() or 0)


def _is_of(rows: pa.Table, names: pa.Array) -> pa.ChunkedArray:
    """Say of each row whether it is the person's."""
    found = None
    for column in _PERSON_COLUMNS:
        if column in rows.column_names:
            one = pc.is_in(rows.column(column).cast(pa.string()), value_set=names)
            found = one if found is None else pc.or_(found, one)
    return found


def _write_files(root: Path, names: frozenset[str], keys: Collection[str]) -> dict[str, _NewFile]:
    """Write every file that names the person again, under a new name; return the new ones by the
    path of the old.
    """
    replaced: dict[str, _NewFile] = {}
    wanted = pa.array(sorted(names), pa.string())
    encoded = [name.encode() for name in names]
    for path in _data_files(root):
        if not any(name in text for text in text_of_parquet(path) for name in encoded):
            continue
        rows = _rows(path)
        mine = _is_of(rows, wanted)
        kept = _redacted(rows.filter(pc.invert(mine)) if mine is not None else rows, names)
        gone = rows.num_rows - kept.num_rows
        old = str(path.relative_to(root))
        if not kept.num_rows:
            replaced[old] = _NewFile(None, rows_gone=gone)
            continue
        new = path.with_name(f"part-{uuid4()}.parquet")
        codec = pq.read_metadata(path).row_group(0).column(0).compression
        pq.write_table(kept, new, compression="NONE" if codec == "UNCOMPRESSED" else codec)
        replaced[old] = _NewFile(
            str(new.relative_to(root)), new.stat().st_size, _stats(kept, keys), gone
        )
    return replaced


def _redacted(rows: pa.Table, names: frozenset[str]) -> pa.Table:
    """Replace the person's pseudonyms in sentences about others."""
    for number, column in enumerate(rows.schema):
        kind = column.type
        texts = kind.value_type if pa.types.is_list(kind) else kind
        if not pa.types.is_string(texts):
            continue
        values = rows.column(number).to_pylist()
        changed = [_without(value, names) for value in values]
        if changed != values:
            rows = rows.set_column(number, column, pa.array(changed, kind))
    return rows


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    if isinstance(value, str):
        for name in names:
            value = value.replace(name, REDACTED)
    return value


def _stats(rows: pa.Table, keys: Collection[str]) -> str:
    """Return the statistics of a file as the log keeps them: of the key columns that are in it."""
    columns = [name for name in keys if name in rows.column_names]
    limits = {name: pc.min_max(rows.column(name)).as_py() for name in columns}
    return json.dumps(
        {
            "numRecords": rows.num_rows,
            "minValues": {name: limits[name]["min"] for name in columns},
            "maxValues": {name: limits[name]["max"] for name in columns},
            "nullCount": {name: rows.column(name).null_count for name in columns},
        }
    )


def _write_log(
    table: str, log: Path, new_log: Path, replaced: Mapping[str, _NewFile], names: frozenset[str]
) -> None:
    """Write every entry of the log again, naming the new files."""
    entries = sorted(log.glob("*.json"))
    if [int(path.stem) for path in entries] != list(range(len(entries))):
        raise StoreError(
            f"The log of the table {table} does not begin with its first version or has a gap, so "
            "that its versions cannot be written again: see `python -m flows store check`."
        )
    new_log.mkdir()
    for path in entries:
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            action = json.loads(line) if line.strip() else {}
            written = _action(table, action, replaced, names)
            if written:
                lines.append(json.dumps(written, separators=(",", ":")))
        (new_log / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _action(
    table: str,
    action: Mapping[str, Any],
    replaced: Mapping[str, _NewFile],
    names: frozenset[str],
) -> dict[str, Any] | None:
    """Return an action of the log as it is without the person; `None` if nothing is left of it."""
    for kind in ("add", "remove"):
        if kind not in action:
            continue
        file = dict(action[kind])
        if file.get("deletionVector"):
            raise StoreError(
                f"The table {table} was written by another program, which marks rows as deleted "
                "beside its files: compact it with that program first."
            )
        new = replaced.get(unquote(file["path"]))
        if new is not None:
            if new.path is None:
                return None
            file["path"] = quote(new.path, safe="/=")
            if file.get("size") is not None:
                file["size"] = new.size
            if kind == "add":
                file["stats"] = new.stats
            else:
                file.pop("stats", None)
        elif _names_one(file.get("stats"), names):
            file.pop("stats")  # of a file that a clean-up removed
        return {kind: file}
    if "commitInfo" in action and _names_one(json.dumps(action), names):
        told = action["commitInfo"]
        return {"commitInfo": {name: told[name] for name in _KEPT_OF_A_COMMIT if name in told}}
    return dict(action) or None


def _names_one(text: str | None, names: frozenset[str]) -> bool:
    return text is not None and any(name in text for name in names)


def _checkpoints(log: Path) -> list[int]:
    """Return the versions that a log was summed up at."""
    return sorted({int(path.name[:20]) for path in log.glob("*.checkpoint*.parquet")})


def _remove_what_names(root: Path, names: frozenset[str]) -> None:
    """Remove the files that were replaced, and those that a repair set aside, where they name the
    person.
    """
    encoded = [name.encode() for name in names]
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if not path.is_file() or parts[0] in {LOG, _OLD_LOG}:
            continue
        texts = [path.read_bytes()] if path.suffix != ".parquet" else texts_or_bytes(path)
        if any(name in text for text in texts for name in encoded):
            path.unlink()
