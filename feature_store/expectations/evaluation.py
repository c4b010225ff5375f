"""How suites of rules are held against data: Great Expectations as their judge, findings as
sentences.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd

from feature_store.errors import FeatureStoreError
from feature_store.expectations.late_modules import loaded_when_used
from feature_store.rules import Between, Finding, OneOf, Present, Rows, Rule, Severity, Unique
from feature_store.wording import counted, were

_USED_BY_NO_JUDGEMENT = ("altair", "boto3", "scipy.stats")
"""What Great Expectations imports for pictures, objects in a cloud, and distributions."""

_lock = threading.Lock()


class ExpectationError(FeatureStoreError, RuntimeError):
    """An expectation could not be evaluated: a defect of the program, not a verdict on the data."""


def raised(rules: Sequence[Rule], quarantine: Collection[str]) -> tuple[Rule, ...]:
    """Return rules, of which those with the given codes are critical."""
    return tuple(
        replace(rule, severity=Severity.CRITICAL) if rule.code in quarantine else rule
        for rule in rules
    )


def findings_of(
    name: str, rules: Sequence[Rule], table: pd.DataFrame, sentence: Callable[[Rule, int], str]
) -> tuple[Finding, ...]:
    """Return the sentence of each rule that a table does not meet, the critical ones first."""
    failed = _evaluate(name, rules, table)
    found = [
        Finding(rule.severity, rule.code, sentence(rule, failed[rule.code]))
        for rule in rules
        if rule.code in failed
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.CRITICAL))


def prepare_to_judge() -> None:
    """Load Great Expectations and make what every judgement needs, so that the first one does not
    wait for it; what no judgement uses stays unloaded until somebody does.

    For processes that judge study after study and do little else: two threads that used such a
    module for the first time at once would disturb each other.
    """
    with _lock:
        with loaded_when_used(_USED_BY_NO_JUDGEMENT):
            great_expectations()
        _batch_definition()


def _evaluate(name: str, rules: Sequence[Rule], table: pd.DataFrame) -> dict[str, int]:
    """Return the codes of the expectations that are not met, and how many rows do not meet each."""
    with _lock:  # the context is one per process
        batch = _batch_definition().get_batch({"dataframe": table})
        # the default format lists values too, which nobody reads, and takes half as long again
        results = batch.validate(gx_suite(name, rules), result_format="BASIC").results
    if len(results) != len(rules):
        raise ExpectationError(
            f"Of {counted(len(rules), 'expectation')} on {name}, {len(results)} "
            f"{were(len(results))} evaluated, expected all."
        )
    failed: dict[str, int] = {}
    for result in results:
        code = result.expectation_config.meta["code"]
        if not result.success:
            if not result.result:
                raise ExpectationError(
                    f"The expectation {code} on {name} could not be evaluated, expected a verdict."
                )
            failed[code] = int(result.result.get("unexpected_count", len(table)))
    return failed


def gx_suite(name: str, rules: Sequence[Rule]) -> Any:
    """Return rules as a `great_expectations.ExpectationSuite`."""
    return great_expectations().ExpectationSuite(
        name=name, expectations=[_gx_expectation(rule) for rule in rules]
    )


def _gx_expectation(rule: Rule) -> Any:
    kinds = great_expectations().expectations
    common: dict[str, Any] = {
        "severity": str(rule.severity),
        "meta": {"code": rule.code, "expected": rule.expected, "releasable": rule.releasable},
    }
    if isinstance(rule.bounds, Rows):
        return kinds.ExpectTableRowCountToBeBetween(min_value=rule.bounds.least, **common)
    common["column"] = rule.column
    match rule.bounds:
        case Between(low, high, strict):
            return kinds.ExpectColumnValuesToBeBetween(
                min_value=low, max_value=high, strict_min=strict, strict_max=strict, **common
            )
        case OneOf(values):
            return kinds.ExpectColumnValuesToBeInSet(value_set=list(values), **common)
        case Present():
            return kinds.ExpectColumnValuesToNotBeNull(**common)
        case Unique():
            return kinds.ExpectColumnValuesToBeUnique(**common)


@cache
def great_expectations() -> Any:
    """Return the library, which takes seconds to import."""
    os.environ.setdefault(
        "GX_ANALYTICS_ENABLED", "false"
    )  # read at import: nothing is reported to anybody
    import great_expectations  # noqa: PLC0415 - takes seconds
    import great_expectations.expectations  # noqa: PLC0415

    return great_expectations


@cache
def _batch_definition() -> Any:
    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("annulus").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole table")
