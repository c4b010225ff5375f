"""What `deploy/reading-the-store.md` shows is run, as far as its libraries are installed, and no
table is left out.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_store.imaging.regions import Region
from feature_store.tables.rows import STUDY, TABLES
from feature_store.tables.store import FeatureStore
from flows.__main__ import main
from tests.support import ROOT
from tests.support.feature_stores import filled_store, vector

PAGE = (ROOT / "deploy" / "reading-the-store.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OPTIONAL = {"polars", "duckdb"}
RUNNABLE = [
    snippet
    for snippet in SNIPPETS
    if all(
        importlib.util.find_spec(name)
        for name in OPTIONAL & set(re.findall(r"^import (\w+)", snippet, re.MULTILINE))
    )
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    store: FeatureStore = filled_store(folder / "annulus-data" / "feature_store")
    (folder / "report.json").write_text(
        json.dumps({"provenance": {"store_versions": store.versions()}})
    )
    return folder


def test_the_snippets_say_what_the_store_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert len(RUNNABLE) >= 3
    names: dict[str, Any] = {}
    for snippet in RUNNABLE:
        exec(compile(snippet, "page", "exec"), names)  # noqa: S102 - our own page
    assert sorted(names["early"]["linear_predictor"]) == [-1.0, 0.1 + 0.2]
    np.testing.assert_array_equal(names["matrix"].loc["b01"], vector(Region.GTV, 1).values)
    assert names["scores_then"]["survival_730"].tolist() == [0.5, 0.5]


def test_the_commands_of_the_page_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    commands = re.findall(r"^python -m flows (query [^#\n]+)", PAGE, re.MULTILINE)
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
