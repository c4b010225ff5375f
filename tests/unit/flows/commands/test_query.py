"""``python -m flows query`` on a real store: formats, versions, sentences for wrong arguments."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from feature_store.imaging.regions import Region
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from tests.support.feature_stores import MODEL_ONE, identity, vector
from tests.unit.flows.commands.conftest import Run


def test_the_same_rows_come_in_every_format(run: Run, tmp_path: Path) -> None:
    code, out, err = run("query", "scores", "--model", MODEL_ONE[:10])
    assert code == 0
    assert "0.3" in out
    assert "111111111111" in out
    assert err == "1 row; versions read: scores 2\n"
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
    assert "… and 3135 more columns: --format csv" in out
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
            assert (code, err.split(";")[0]) == (0, counted(rows, "row"))
        else:
            assert "nothing had been written" in err


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
        (("scores", "--format", "parquet"), 2, "Parquet cannot be printed as text"),
        (("scores", "--output", "x.xlsx"), 2, "names no format"),
        (("scores", "--output", "/nowhere/x.csv"), 1, "No such file or directory"),
        (("features", "--region", "ring"), 2, "There is no region 'ring': expected gtv, ring_3mm"),
        (("clinical", "--region", "gtv"), 2, "regions chooses among features and tissues only"),
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
