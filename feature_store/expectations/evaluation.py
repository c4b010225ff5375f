"""How suites of rules are held against data: Great Expectations as their judge, findings as
sentences.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any, Literal

import pandas as pd

from feature_store.errors import FeatureStoreError
from feature_store.expectations.field_copies import fields_copied_by_slots
from feature_store.expectations.kept_graphs import KeptGraphs
from feature_store.expectations.late_modules import loaded_when_used
from feature_store.rules import Between, Finding, OneOf, Present, Rows, Rule, Severity, Unique
from feature_store.wording import counted, were

_USED_BY_NO_JUDGEMENT = ("altair", "boto3", "mistune", "scipy.stats")
"""What Great Expectations imports for pictures, objects in a cloud, Markdown and distributions."""

_KINDS = (
    "ExpectColumnValuesToBeBetween",
    "ExpectColumnValuesToBeInSet",
    "ExpectColumnValuesToNotBeNull",
    "ExpectColumnValuesToBeUnique",
    "ExpectTableRowCountToBeBetween",
)
_lock = threading.Lock()
_graphs = KeptGraphs()


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
        with loaded_when_used(_USED_BY_NO_JUDGEMENT), fields_copied_by_slots():
            great_expectations()
        _batch_definition()
        _judging_kinds()


def _evaluate(name: str, rules: Sequence[Rule], table: pd.DataFrame) -> dict[str, int]:
    """Return the codes of the expectations that are not met, and how many rows do not meet each."""
    with _lock:  # the context is one per process
        # the other formats list values too, which nobody reads, and take up to twice as long
        results = _validated(
            name, tuple(rules), table, "BOOLEAN_ONLY" if len(table) == 1 else "BASIC"
        )
    if len(results) != len(rules):
        raise ExpectationError(
            f"Of {counted(len(rules), 'expectation')} on {name}, {len(results)} "
            f"{were(len(results))} evaluated, expected all."
        )
    failed: dict[str, int] = {}
    for result in results:
        code = result.expectation_config.meta["code"]
        if not result.success:
            if _raised(result.exception_info):
                raise ExpectationError(
                    f"The expectation {code} on {name} could not be evaluated, expected a verdict."
                )
            failed[code] = int(result.result.get("unexpected_count", len(table)))
    return failed


def _validated(
    name: str, rules: tuple[Rule, ...], table: pd.DataFrame, told: Literal["BOOLEAN_ONLY", "BASIC"]
) -> Any:
    from great_expectations.validator.v1_validator import Validator  # noqa: PLC0415 - takes seconds

    validator = Validator(_batch_definition(), told, {"dataframe": table})
    # it is what a batch validates by, and holds what makes the graphs
    _graphs.use_in(validator._wrapped_validator, (name, rules, told))  # noqa: SLF001
    return validator.validate_expectation_suite(_judged_suite(name, rules)).results


def _raised(exceptions: Mapping[str, Any]) -> bool:
    """Say whether an expectation ended with an error: told at once, or for each of its metrics."""
    every = [exceptions] if "raised_exception" in exceptions else exceptions.values()
    return any(one["raised_exception"] for one in every)


@lru_cache(maxsize=32)
def _judged_suite(name: str, rules: tuple[Rule, ...]) -> Any:
    """Return the suite of `gx_suite` as it is judged."""
    kinds = _judging_kinds()
    return great_expectations().ExpectationSuite(
        name=name, expectations=[_gx_expectation(rule, kinds) for rule in rules]
    )


def gx_suite(name: str, rules: Sequence[Rule]) -> Any:
    """Return rules as a `great_expectations.ExpectationSuite`."""
    kinds = great_expectations().expectations
    return great_expectations().ExpectationSuite(
        name=name, expectations=[_gx_expectation(rule, kinds) for rule in rules]
    )


def _gx_expectation(rule: Rule, kinds: Any) -> Any:
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

    # It sets itself to INFO, and would tell everybody of a temporary folder
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    return great_expectations


@cache
def _judging_kinds() -> Any:
    """Return the kinds of expectations that rules are judged by, under their names."""
    kinds = great_expectations().expectations
    return SimpleNamespace(**{name: _configured_once(getattr(kinds, name)) for name in _KINDS})


def _configured_once(kind: Any) -> Any:
    """Return a kind of expectation that keeps its configuration.

    Great Expectations asks each expectation a hundred times for its configuration, and makes it
    anew each time: more than half of what judging a study costs.
    """

    def configuration(expectation: Any) -> Any:
        if not hasattr(expectation, "kept"):
            # past pydantic, to which it would be one more field
            object.__setattr__(expectation, "kept", kind.configuration.fget(expectation))
        return expectation.kept

    members = {
        "__slots__": ("kept",),
        "__module__": __name__,
        "configuration": property(configuration),
    }
    return type(kind)(f"{kind.__name__}ConfiguredOnce", (kind,), members)


@cache
def _batch_definition() -> Any:
    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("annulus").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole table")
