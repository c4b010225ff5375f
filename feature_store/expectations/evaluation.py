"""How expectations are evaluated: rules as data, Great Expectations as their judge, findings as
sentences.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

import pandas as pd

from feature_store.errors import FeatureStoreError

BETWEEN, IN_SET = "ExpectColumnValuesToBeBetween", "ExpectColumnValuesToBeInSet"
NOT_NULL, UNIQUE = "ExpectColumnValuesToNotBeNull", "ExpectColumnValuesToBeUnique"
_lock = threading.Lock()


class Severity(StrEnum):
    """What follows from an expectation that is not met."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One expectation that is not met.

    Parameters
    ----------
    severity : Severity
        Whether the study is quarantined or scored with a warning.
    code : str
        Slug that stays the same between releases.
    sentence : str
        What was expected and what was found.
    """

    severity: Severity
    code: str
    sentence: str


class ExpectationError(FeatureStoreError, RuntimeError):
    """An expectation could not be evaluated: a defect of the program, not a verdict on the data."""


@dataclass(frozen=True)
class Rule:
    """An expectation of Great Expectations on one column, and the sentence for those who do not
    meet it.
    """

    code: str
    severity: Severity
    kind: str
    column: str
    limits: Mapping[str, Any]
    sentence: Callable[[Any], str]


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


def _evaluate(name: str, rules: Sequence[Rule], table: pd.DataFrame) -> dict[str, int]:
    """Return the codes of the expectations that are not met, and how many rows do not meet each."""
    with _lock:  # the context is one per process
        batch = _batch_definition().get_batch({"dataframe": table})
        results = batch.validate(gx_suite(name, rules)).results
    if len(results) != len(rules):
        raise ExpectationError(
            f"{len(results)} of {len(rules)} expectations on {name} were evaluated, expected all."
        )
    failed: dict[str, int] = {}
    for result in results:
        code = result.expectation_config.meta["code"]
        if not result.success:
            if "unexpected_count" not in result.result:
                raise ExpectationError(
                    f"The expectation {code} on {name} could not be evaluated, expected a verdict."
                )
            failed[code] = int(result.result["unexpected_count"])
    return failed


def gx_suite(name: str, rules: Sequence[Rule]) -> Any:
    """Return rules as a `great_expectations.ExpectationSuite`."""
    kinds = _great_expectations().expectations
    return _great_expectations().ExpectationSuite(
        name=name,
        expectations=[
            getattr(kinds, rule.kind)(
                column=rule.column,
                severity=str(rule.severity),
                meta={"code": rule.code},
                **rule.limits,
            )
            for rule in rules
        ],
    )


@cache
def _great_expectations() -> Any:
    os.environ.setdefault(
        "GX_ANALYTICS_ENABLED", "false"
    )  # read at import: nothing is reported to anybody
    import great_expectations  # noqa: PLC0415 - takes seconds
    import great_expectations.expectations  # noqa: PLC0415

    return great_expectations


@cache
def _batch_definition() -> Any:
    context = _great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("annulus").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole table")
