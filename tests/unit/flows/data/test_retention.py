"""What is removed after its time, and nothing else; the page names every setting with its
default.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.durable_files import write_durably
from flows.data.retention import overdue, remove_overdue
from flows.settings import Settings
from tests.support import ROOT
from tests.support.settings_tables import center_table

NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)
PAGE = (ROOT / "deploy" / "guide" / "retention.md").read_text(encoding="utf-8")


def _settings(folder: Path, tables: str = "") -> Settings:
    file = folder / "annulus.toml"
    file.write_text(f"[node]\nfolder = '{folder / 'node'}'\n{center_table('B')}{tables}")
    return Settings.load(file)


def _file(path: Path, days_ago: float) -> Path:
    write_durably(path, b"x")
    at = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (at, at))
    return path


def _stamp(days_ago: float) -> str:
    return (NOW - timedelta(days=days_ago)).strftime("%Y%m%dT%H%M%S")


def _filled(node: Path) -> dict[str, Path]:
    drop = node / "clinical_drop" / "B"
    return {
        "waiting table": _file(drop / "new.csv", 400),
        "old import": _file(drop / "imported" / f"{_stamp(31)}-t.csv", 0),
        "new import": _file(drop / "imported" / f"{_stamp(29)}-t.csv", 400),
        "old refusal": _file(drop / "refused" / f"{_stamp(40)}-t.txt", 0),
        "old report": _file(node / "reports" / f"{_stamp(400)}000000Z-a" / "report.json", 0),
        "new report": _file(node / "reports" / f"{_stamp(10)}000000Z-b" / "report.json", 400),
        "a folder of the user": _file(node / "reports" / "latest" / "report.json", 400),
        "old record": _file(node / "report_records" / f"{_stamp(400)}000000Z-a.json", 0),
        "log": _file(node / "system" / "annulus.log", 400),
        "old log": _file(node / "system" / "annulus.log.1", 91),
        "new log": _file(node / "system" / "annulus.log.2", 89),
        "archive": _file(node / "archive" / "B" / "s" / "i.dcm", 4000),
    }


@pytest.mark.parametrize(
    ("tables", "gone"),
    [
        ("", {"old import", "old refusal", "old log"}),
        (
            "[validation]\nreports_days = 365\ntables_days = 0\n[system]\nlogs_days = 0\n",
            {"old report", "old record"},
        ),
    ],
)
def test_what_is_overdue_goes_and_nothing_else(tmp_path: Path, tables: str, gone: set[str]) -> None:
    settings = _settings(tmp_path, tables)
    files = _filled(settings.node.folder)
    removed = remove_overdue(settings, NOW)
    assert {name for name, path in files.items() if not path.exists()} == gone
    assert sum(removed.values()) == len(gone)
    assert remove_overdue(settings, NOW) == {}


def test_nothing_is_overdue_in_a_new_installation(tmp_path: Path) -> None:
    found = overdue(_settings(tmp_path), NOW)
    assert (found.tables, found.reports, found.logs) == ((), (), ())


def test_the_page_names_each_setting_with_its_default(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    named = re.findall(r"\| `(node|validation|system)\.(\w+)` \| (\d+) \|", PAGE)
    assert len(named) == 7
    for table, key, days in named:
        assert getattr(getattr(settings, table), key) == float(days), f"{table}.{key}"
    days_settings = {
        f"{table}.{key}"
        for table in ("node", "validation", "system")
        for key in type(getattr(settings, table)).model_fields
        if key.endswith("_days")
    }
    assert days_settings == {f"{table}.{key}" for table, key, _ in named}
