"""Rows of the tables say what their objects say, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pytest

from feature_store.expectations.checks import Check
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.rules import Finding, Severity
from feature_store.tables.columns import TABLES
from feature_store.tables.keyed_table import WRITTEN_AT
from feature_store.tables.rows import check_of, checks_of_findings, feature_matrix, row_of_check
from tests.support.feature_stores import KVP, NOON, check, identity

NO_GTV = Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV.")


@pytest.mark.parametrize(
    "one",
    [
        check("study", identity("B", 1), NO_GTV, KVP),
        check("regions", identity("B", 1)),
        replace(check("cohort", None), model_digest="m"),
        replace(check("clinical", None), n=422),
    ],
)
def test_a_check_comes_back_through_its_row(one: Check) -> None:
    key, columns = TABLES["checks"]
    row = row_of_check(one)
    (back,) = pa.Table.from_pylist([row], schema=pa.schema(columns)).to_pylist()
    assert check_of(back) == one
    assert all(isinstance(row[name], str) for name in key)
    assert list(row) == [name for name, _ in columns]


def test_findings_of_before_are_checks_of_which_only_what_was_not_met_is_known() -> None:
    def row(number: int, code: str, severity: str = "warning", hours: int = 0) -> dict[str, Any]:
        written = {WRITTEN_AT: NOON.replace(hour=hours), "sentence": code}
        return {**asdict(identity("B", number)), "code": code, "severity": severity, **written}

    rows = [row(1, "kvp", hours=3), row(1, "gtv-name", "critical"), row(1, "ring-cut"), row(2, "x")]
    first, regions, second = checks_of_findings(rows)
    assert (first.suite, first.codes) == ("study", ("gtv-name", "kvp"))
    assert first.findings[0] == Finding(Severity.CRITICAL, "gtv-name", "gtv-name")
    assert first.checked_at == NOON.replace(hour=3)
    assert (regions.suite, regions.study) == ("regions", identity("B", 1))
    assert (second.study, second.codes) == (identity("B", 2), ("x",))


def test_a_matrix_leaves_out_who_lacks_a_part_and_takes_the_content_written_last() -> None:
    def row(number: int, content: str, values: list[float], hour: int = 0) -> dict[str, Any]:
        study = asdict(identity("B", number, content))
        return {**study, "features": values, WRITTEN_AT: NOON.replace(hour=hour)}

    contents = [(2, "c1", 2.0, 0), (1, "c1", 1.0, 3), (1, "c2", 1.5, 0)]
    deep = [row(number, content, [value] * 512, hour) for number, content, value, hour in contents]
    gtv = [row(number, content, [-value] * 1316) for number, content, value, _ in contents]
    matrix = feature_matrix({"deep:": [*deep, row(3, "c1", [3.0] * 512)], "gtv:": gtv})
    assert matrix.shape == (2, 512 + 1316)
    assert matrix["deep:511"].to_dict() == {"b01": 1.0, "b02": 2.0}
    assert matrix[f"gtv:{FEATURE_NAMES[0]}"].to_dict() == {"b01": -1.0, "b02": -2.0}
