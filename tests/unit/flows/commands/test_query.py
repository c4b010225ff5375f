"""``python -m flows query`` and ``compact`` on a real store: formats, versions, and sentences for
wrong arguments.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from feature_store.imaging.regions import Region
from feature_store.tables.query import Contents
from feature_store.tables.store import FeatureStore
from flows import __main__ as command_line
from flows.commands.store import add_store_commands
from tests.support.feature_stores import MODEL_ONE, filled_store, identity, vector

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installation")
    filled_store(folder / "node" / "feature_store")
    (folder / "annulus.toml").write_text(f"[node]\nfolder = '{folder / 'node'}'\n")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("ANNULUS_SETTINGS", str(folder / "annulus.toml"))

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            code = command_line.main([*arguments])
        except SystemExit as end:  # argparse
            code = int(str(end.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_the_same_rows_come_in_every_format(run: Run, tmp_path: Path) -> None:
    code, out, err = run("query", "scores", "--model", MODEL_ONE[:10])
    assert code == 0
    assert "0.3" in out
    assert "111111111111" in out
    assert err == "1 rows; versions read: scores 2\n"
    for name in ("s.csv", "s.parquet", "s.jsonl"):
        assert run("query", "scores", "--output", str(tmp_path / name))[0] == 0
    first, _ = csv.DictReader((tmp_path / "s.csv").read_text().splitlines())
    assert float(first["linear_predictor"]) == 0.1 + 0.2
    assert first["warnings"] == "The tube voltage is 140 kV, expected 120 kV. | two"
    table = pd.read_parquet(tmp_path / "s.parquet")
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert (
        [line["survival_365"] for line in lines] == table["survival_365"].tolist() == [0.75, 0.75]
    )
    assert lines[0]["warnings"] == ["The tube voltage is 140 kV, expected 120 kV.", "two"]
    assert list(lines[0]) == list(table.columns)


def test_missing_values_are_null_and_a_wide_table_says_what_it_leaves_out(run: Run) -> None:
    _, out, _ = run("query", "clinical", "--format", "jsonl")
    assert [json.loads(line)["age"] for line in out.splitlines()] == [61.25, None]
    _, out, _ = run("query", "features", "--center", "B")
    assert "… and 3135 columns more: --format csv" in out
    _, out, _ = run("query", "features", "--region", "gtv", "--format", "csv", "--center", "C")
    assert out.count("\n") == 2


def test_versions_come_from_numbers_times_reports_and_bundles(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    store = FeatureStore(folder / "node" / "feature_store")
    moment, versions = datetime.now(UTC).isoformat(), store.versions()
    store.put_radiomics(identity("C", 2), {Region.GTV: vector(Region.GTV, 4)})
    (tmp_path / "report.json").write_text(json.dumps({"provenance": {"store_versions": versions}}))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.json").write_text(
        json.dumps({"facts": {"store_versions": {"radiomics": 1}}})
    )
    count = ("query", "features", "--region", "gtv", "--format", "csv")
    for more, rows in (
        ((), 4),
        (("--as-of", moment), 3),
        (("--as-of", str(tmp_path / "report.json")), 3),
        (("--as-of", str(tmp_path)), 3),
        (("--as-of", str(bundle)), 1),
        (("--version", "radiomics=2", "--version", "deep=1"), 2),
        (("--as-of", "2020-01-01T00:00Z"), 0),
    ):
        code, _, err = run(*count, *more)
        if rows:
            assert (code, err.split(";")[0]) == (0, f"{rows} rows")
        else:
            assert "no features of gtv" in err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ("scores", "--version", "99"),
            1,
            "The table scores has no version 99 yet: ask for one from 0 to 2.",
        ),
        (("scores", "--center", "X"), 1, "no rows of centre X at this version: it has B."),
        (
            ("scores", "--version", "new"),
            2,
            "expected [TABLE=]N with the table scores and a whole number",
        ),
        (
            ("features", "--version", "3"),
            2,
            "name the table of version 3, as in --version radiomics=3",
        ),
        (("scores", "--version", "1", "--as-of", "2026-01-01T00:00Z"), 2, "give one of them"),
        (("scores", "--as-of", "yesterday"), 2, "neither a file that exists nor a time"),
        (("scores", "--as-of", "2026-01-01"), 2, "has no zone"),
        (("scores", "--as-of", "."), 2, "cannot be read as a report or bundle"),
        (("scores", "--format", "parquet"), 2, "Parquet is no text"),
        (("scores", "--output", "x.xlsx"), 2, "names no format"),
        (("scores", "--output", "/nowhere/x.csv"), 1, "No such file or directory"),
        (("features", "--region", "ring"), 2, "There is no region 'ring': expected gtv, ring_3mm"),
        (("clinical", "--region", "gtv"), 2, "regions chooses among features only"),
        (("everything",), 2, "invalid choice: 'everything'"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    run: Run, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    found, out, err = run("query", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err


def test_the_command_offers_what_the_store_has() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_store_commands(parser.add_subparsers())
    for kind in Contents:
        assert parser.parse_args(["query", str(kind)]).contents == kind


def test_compaction_keeps_versions_that_a_report_names_and_says_which_are_gone(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "other"
    monkeypatch.setenv("ANNULUS_NODE__FOLDER", str(place))
    store = FeatureStore(place / "feature_store")
    for seed in range(4):
        store.put_radiomics(identity("B", 1), {Region.GTV: vector(Region.GTV, seed)})
    for name, version in (("early", 1), ("middle", 2)):
        report = place / "reports" / name / "report.json"
        report.parent.mkdir(parents=True)
        report.write_text(json.dumps({"provenance": {"store_versions": {"radiomics": version}}}))
    code, out, _ = run("compact")
    assert code == 0
    assert "2 reports and bundles name versions that stay" in out
    monkeypatch.setattr("feature_store.tables.keyed_table._LEAST_HOURS", 0)
    (place / "reports" / "early" / "report.json").unlink()
    code, out, _ = run("compact", "--keep-days", "0")
    assert "2 files removed" in out  # of versions 1 and 3
    read = ("query", "features", "--region", "gtv", "--format", "csv", "--version")
    assert [run(*read, f"radiomics={version}")[0] for version in (1, 2, 3, 4)] == [1, 0, 1, 0]
    assert "Version 1 of the table radiomics is gone" in run(*read, "radiomics=1")[2]
    (place / "reports" / "early" / "report.json").write_text(
        '{"provenance": {"store_versions": {"radiomics": 1}}}'
    )
    assert "gone before: early names radiomics 1" in run("compact")[1]
    (place / "reports" / "early" / "report.json").write_text("{ not json")
    code, _, err = run("compact", "--keep-days", "0")
    assert code == 1
    assert "Nothing was compacted" in err
    assert DeltaTable(store._location + "/radiomics").to_pyarrow_table().num_rows == 1
    (place / "reports" / "early" / "report.json").unlink()
    elsewhere = place / "bundle"
    elsewhere.mkdir()
    (elsewhere / "manifest.json").write_text('{"facts": {"store_versions": {"radiomics": 2}}}')
    monkeypatch.setenv("ANNULUS_MODEL__EARLIER", json.dumps({"a" * 64: str(elsewhere)}))
    assert "2 reports and bundles name versions that stay" in run("compact")[1]
    assert "expected 0 or more days" in run("compact", "--keep-days", "-1")[2]
