"""What `deploy/guide/reading-the-store.md` shows is run, as far as its libraries are installed, and
no table is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_store.imaging.regions import Region
from feature_store.tables.columns import STUDY, TABLES
from feature_store.tables.store import FeatureStore
from flows.__main__ import main
from tests.support import ROOT
from tests.support.feature_stores import filled_store, vector

PAGE = (ROOT / "deploy" / "guide" / "reading-the-store.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    store: FeatureStore = filled_store(folder / "annulus-data" / "feature_store")
    (folder / "report.json").write_text(
        json.dumps({"provenance": {"store_versions": store.versions()}})
    )
    return folder


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_each_snippet_runs_and_returns_rows(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in re.findall(r"^import (polars|duckdb)", SNIPPETS[number], re.MULTILINE):
        pytest.importorskip(library)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(compile(SNIPPETS[number], "page", "exec"), names)  # noqa: S102 - our own page
    tables = {
        name: value
        for name, value in names.items()
        if isinstance(getattr(value, "shape", None), tuple)
    }
    assert tables
    for name, table in tables.items():
        assert table.shape[0] > 0, name


def test_every_library_of_the_page_has_a_snippet() -> None:
    headings = re.findall(r"^## (pandas|Polars|DuckDB)$", PAGE, re.MULTILINE)
    assert len(headings) == 3
    assert len(SNIPPETS) >= 5


def test_the_snippets_say_what_the_store_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for snippet in SNIPPETS[:3]:
        exec(compile(snippet, "page", "exec"), names)  # noqa: S102 - our own page
    assert sorted(names["of_b"]["linear_predictor"]) == [-1.0, 0.1 + 0.2]
    np.testing.assert_array_equal(names["matrix"].loc["b01"], vector(Region.GTV, 1).values)
    assert names["scores_then"]["survival_730"].tolist() == [0.5, 0.5]


def test_the_commands_of_the_page_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    commands = re.findall(r"^\.venv/bin/python -m flows (query [^#\n]+)", PAGE, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        words = [
            re.sub(r"annulus-data/reports/.*", "report.json", word) for word in command.split()
        ]
        assert main([{"3f9a1c": "111111", "12": "1"}.get(word, word) for word in words]) in {0, 1}


def test_every_table_is_described() -> None:
    described = dict(re.findall(r"^\| `(\w+)` \|(.*)$", PAGE, re.MULTILINE))
    assert described.keys() == TABLES.keys()
    for name, (_, columns) in TABLES.items():
        for column, _type in columns:
            assert column in STUDY or f"`{column}`" in described[name], f"{name}.{column}"
