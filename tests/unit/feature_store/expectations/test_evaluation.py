"""Great Expectations gives the verdicts that the rules mean, and none where it could not judge."""

from __future__ import annotations

import pandas as pd
import pytest

from feature_store.expectations.evaluation import (
    ExpectationError,
    findings_of,
    gx_suite,
    raised,
)
from feature_store.rules import (
    TRUE,
    Between,
    Bounds,
    OneOf,
    Present,
    Rows,
    Rule,
    Severity,
    Unique,
    warning,
)

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")


def rule(code: str, bounds: Bounds) -> Rule:
    return Rule(code, "value", bounds, "something", lambda n: f"{n} are not.")


@pytest.mark.parametrize(
    ("bounds", "values", "unmet"),
    [
        (Between(1, 2), [1, 2, None], 0),
        (Between(1, 2), [0.9, 1, 2.1], 2),
        (Between(18, strict=True), [18.0, 18.1], 1),
        (Between(None, 0), [0, 1], 1),
        (OneOf(("a", "b")), ["a", "c", None], 1),
        (TRUE, [True], 0),
        (TRUE, [False], 1),
        (Present(), [1, None, None], 2),
        (Unique(), ["a", "a", "b"], 2),
        (Rows(4), [1, 2, 3], 3),
    ],
)
def test_verdicts_and_counts(bounds: Bounds, values: list[object], unmet: int) -> None:
    table = pd.DataFrame({"value": values})
    found = findings_of("test", (rule("one", bounds),), table, lambda one, n: one.sentence(n))
    assert [finding.sentence for finding in found] == [f"{unmet} are not."] * (unmet > 0)


@pytest.mark.parametrize("bounds", [Between(1, 2), Between(18, strict=True), OneOf(("a",)), TRUE])
@pytest.mark.parametrize("value", [0.5, 1, 2, 18, 18.5])
def test_loading_and_great_expectations_judge_one_fact_alike(
    bounds: Between | OneOf, value: float
) -> None:
    table = pd.DataFrame({"value": [value]})
    found = findings_of("test", (rule("one", bounds),), table, lambda one, n: one.sentence(n))
    assert (found == ()) is bounds.holds(value)


@pytest.mark.parametrize("values", [["text"], ["text", "another"]])
def test_what_cannot_be_judged_is_no_verdict(values: list[str]) -> None:
    table = pd.DataFrame({"value": values})
    with pytest.raises(ExpectationError, match="The expectation one on test could not be"):
        findings_of("test", (rule("one", Between(1, 2)),), table, lambda one, n: one.sentence(n))


def test_the_same_rules_are_judged_anew_of_each_table() -> None:
    rules = (rule("one", Between(1, 2)), rule("other", Present()))

    def found(*values: float | None) -> list[str]:
        table = pd.DataFrame({"value": values})
        return [one.code for one in findings_of("test", rules, table, lambda *_: "It is not.")]

    assert [found(1), found(3), found(None), found(2)] == [[], ["one"], ["other"], []]


def test_a_warning_that_is_raised_is_critical_and_the_suite_says_all_of_a_rule() -> None:
    table = (warning("kvp", "value", Between(120, 120), "120 kV", str), rule("one", TRUE))
    kvp, one = raised(table, ("kvp",))
    assert (kvp.severity, one) == (Severity.CRITICAL, table[1])
    (first, _) = gx_suite("test", (kvp, one)).to_json_dict()["expectations"]
    assert first["severity"] == "critical"
    assert first["meta"] == {"code": "kvp", "expected": "120 kV", "releasable": True}
    assert (first["kwargs"]["min_value"], first["kwargs"]["max_value"]) == (120, 120)
