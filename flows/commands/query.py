"""``python -m flows query``: what the feature store says, at any version, as a table, CSV, Parquet
or JSON lines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pandas as pd

from feature_store.errors import FeatureStoreError
from feature_store.tables.query import TABLES_OF, Contents, StoreQuery, ask
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.named_versions import versions_at, versions_named_in
from flows.settings import Settings

_SUFFIXES = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "table",
}
_SHOWN_COLUMNS = 14
_SHOWN_CHARACTERS = 60


class QueryArgumentError(ValueError):
    """The arguments of a query do not fit together; the message says how to mend them."""


def query_store(options: argparse.Namespace) -> int:
    """Answer one query; return 0, or 1 with a sentence on standard error, or 2 where the arguments
    cannot be used.
    """
    try:
        asked = StoreQuery(
            contents=Contents(options.contents),
            centers=tuple(dict.fromkeys(options.center)),
            regions=tuple(dict.fromkeys(options.region)),
            model=options.model,
            settings=options.settings_digest,
            network=options.network,
            newest=options.newest,
        )
        form = chosen_format(options.format, options.output)
        store = FeatureStore(Settings.load().store_location())
        versions = versions_asked(store, asked.contents, options.version, options.as_of)
        frame = ask(store.pinned(versions), asked)
        write(frame, form, options.output)
    except (FeatureStoreError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    read = ", ".join(
        f"{name} {versions[name]}" for name in TABLES_OF[asked.contents] if name in versions
    )
    print(
        f"{counted(len(frame), 'row')}; versions read: {read or 'none, the store is empty'}",
        file=sys.stderr,
    )
    return 0


def chosen_format(named: str | None, output: Path | None) -> str:
    """Return the format that was named, or that the output's suffix says.

    Raises
    ------
    QueryArgumentError
        If the suffix says nothing, or Parquet would go to the screen.
    """
    form = named or ("table" if output is None else _SUFFIXES.get(output.suffix.lower()))
    if form is None:
        raise QueryArgumentError(
            f"The suffix of {output} names no format: use {', '.join(_SUFFIXES)}, or say it with "
            "--format."
        )
    if form == "parquet" and output is None:
        raise QueryArgumentError("Parquet cannot be printed as text: name a file with --output.")
    return form


def versions_asked(
    store: FeatureStore, contents: Contents, pairs: list[str], as_of: str | None
) -> Mapping[str, int]:
    """Return the version of each table to read, as the arguments say; the present ones by default.

    Raises
    ------
    QueryArgumentError
        If a version is no number or of a table that is not read.
    VersionsError
        If a file names no versions, or a time has no zone.
    """
    if pairs and as_of is not None:
        raise QueryArgumentError("--version and --as-of both say what to read: give one of them.")
    if as_of is not None:
        return (
            versions_named_in(Path(as_of))
            if as_of and Path(as_of).exists()
            else versions_at(store, as_of)
        )
    if not pairs:
        return store.versions()
    tables = TABLES_OF[contents]
    versions: dict[str, int] = {}
    for pair in pairs:
        table, _, number = pair.rpartition("=")
        if not table and len(tables) > 1:
            raise QueryArgumentError(
                f"{contents} are read from {' and '.join(tables)}: name the table of version "
                f"{pair}, as in --version {tables[0]}={number}."
            )
        table = table or tables[0]
        if table not in tables or not number.isdecimal():
            raise QueryArgumentError(
                f"--version {pair} cannot be used for {contents}: expected [TABLE=]N with the "
                f"table {' or '.join(tables)} and a whole number N."
            )
        versions[table] = int(number)
    return versions


def write(frame: pd.DataFrame, form: str, output: Path | None) -> None:
    """Write an answer in a format to a file or to standard output."""
    if form == "parquet":
        frame.to_parquet(output, index=False)
        return
    writer = {"table": _write_table, "csv": _write_csv, "jsonl": _write_json_lines}[form]
    if output is None:
        _to_screen(frame, writer)
    else:
        with output.open("w", encoding="utf-8", newline="") as file:
            writer(frame, file)


def _to_screen(frame: pd.DataFrame, writer: Callable[[pd.DataFrame, IO[str]], None]) -> None:
    try:
        writer(frame, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        # Else Python complains at exit
        sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _write_table(frame: pd.DataFrame, file: IO[str]) -> None:
    shown = frame.iloc[:, :_SHOWN_COLUMNS].copy()
    for name in map(str, shown.columns):
        if name.endswith("_digest"):
            shown[name] = shown[name].str[:12]
        elif isinstance(shown[name].dtype, pd.DatetimeTZDtype):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M:%SZ")
        elif shown[name].dtype == object:
            shown[name] = [_short(value) for value in shown[name]]
    if len(shown):
        print(shown.to_string(index=False), file=file)
    if (left := frame.shape[1] - shown.shape[1]) > 0:
        print(
            f"… and {counted(left, 'more column')}: --format csv, jsonl or parquet holds them all.",
            file=file,
        )


def _short(value: Any) -> str:
    text = " | ".join(map(str, value)) if hasattr(value, "tolist") else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _write_csv(frame: pd.DataFrame, file: IO[str]) -> None:
    flat = frame.copy()
    if "warnings" in flat:
        flat["warnings"] = [" | ".join(warnings) for warnings in flat["warnings"]]
    flat.to_csv(file, index=False)


def _write_json_lines(frame: pd.DataFrame, file: IO[str]) -> None:
    for record in frame.to_dict(orient="records"):
        row = {str(name): _plain(value) for name, value in record.items()}
        print(json.dumps(row, ensure_ascii=False), file=file)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return value
    if value is None or value is pd.NaT or value != value:  # noqa: PLR0124 - NaN is no JSON
        return None
    return value.isoformat() if isinstance(value, datetime) else value
