"""Suites whose graphs are kept are judged as Great Expectations judges them anew."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from feature_store.expectations.evaluation import ExpectationError, findings_of, gx_suite
from feature_store.expectations.kept_graphs import _GRAPHS_OF, KeptGraphs
from feature_store.expectations.suites import SUITES
from feature_store.rules import Between, OneOf, Present, Rule, Unique

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
RULES = tuple(
    Rule(code, column, bounds, "something", lambda n: f"{n} are not.")
    for code, column, bounds in (
        ("between", "number", Between(1, 2)),
        ("present", "number", Present()),
        ("in set", "text", OneOf(("a", "b"))),
        ("unique", "text", Unique()),
    )
)
TABLES = (
    pd.DataFrame({"number": [1.0], "text": ["a"]}),
    pd.DataFrame({"number": [3.0], "text": ["c"]}),
    pd.DataFrame({"number": [None], "text": ["b"]}),
    pd.DataFrame({"number": [0.0, 1.0, None], "text": ["a", "a", "c"]}),
    pd.DataFrame({"number": [2.0], "text": ["b"]}),
)


def _plainly(rules: tuple[Rule, ...], table: pd.DataFrame) -> set[str]:
    """Return the codes that are not met, as Great Expectations says without anything kept."""
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("plain").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    results = batch.validate(gx_suite("plain", rules)).results
    return {one.expectation_config.meta["code"] for one in results if not one.success}


def _kept(rules: tuple[Rule, ...], table: pd.DataFrame) -> set[str]:
    found = findings_of("kept", rules, table, lambda *_: "It is not.")
    return {one.code for one in found}


def test_table_after_table_is_judged_as_without() -> None:
    for table in TABLES * 2:
        assert _kept(RULES, table) == _plainly(RULES, table)


@pytest.mark.parametrize("name", ["study", "contours", "voxels", "regions"])
def test_so_is_each_suite_of_a_study(name: str) -> None:
    rules = SUITES[name]
    for value in (1.0, True, 130.0, None):
        table = pd.DataFrame([dict.fromkeys((rule.column for rule in rules), value)])
        assert _kept(rules, table) == _plainly(rules, table)


def test_what_cannot_be_judged_once_can_the_next_time() -> None:
    rules = RULES[:1]
    good, bad = (pd.DataFrame({"number": [value]}) for value in (1.0, "text"))
    for _ in range(2):
        assert _kept(rules, good) == set()
        with pytest.raises(ExpectationError):
            _kept(rules, bad)


class _Validator:
    """Makes graphs, and counts how often."""

    def __init__(self, batch: str, errors: tuple[str, ...] = ()) -> None:
        self.active_batch_id = batch
        self.made = 0
        self._errors = errors
        setattr(self, _GRAPHS_OF, self._make)

    def _make(self) -> Any:
        self.made += 1
        return ["graph"], list(self._errors), ["one", "two"]

    def ask(self) -> Any:
        return getattr(self, _GRAPHS_OF)()


def test_graphs_are_made_once_for_a_suite_and_a_batch() -> None:
    kept = KeptGraphs()
    first, again, other = _Validator("table"), _Validator("table"), _Validator("another")
    for one in (first, again, other):
        kept.use_in(one, "suite")
    first.ask()[2].remove("one")
    assert again.ask() == (["graph"], [], ["one", "two"])
    assert other.ask() == (["graph"], [], ["one", "two"])
    assert (first.made, again.made, other.made) == (1, 0, 1)


def test_what_has_no_graph_is_told_of_each_time() -> None:
    kept = KeptGraphs()
    for _ in range(2):
        validator = _Validator("table", errors=("no graph",))
        kept.use_in(validator, "suite")
        assert validator.ask()[1] == ["no graph"]
        assert validator.made == 1


def test_no_more_suites_are_kept_than_are_allowed() -> None:
    kept = KeptGraphs(most=2)
    made = []
    for suite in ("one", "two", "three", "one"):
        validator = _Validator("table")
        kept.use_in(validator, suite)
        validator.ask()
        made.append(validator.made)
    assert made == [1, 1, 1, 1]
