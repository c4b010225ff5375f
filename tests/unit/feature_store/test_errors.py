"""Errors carry a code and a sentence, and survive the way between processes."""

from __future__ import annotations

import ast
import pickle
from collections import Counter

import pytest

from feature_store import errors
from feature_store.errors import ContourError, CtGeometryError, FeatureStoreError, StudyDefect
from feature_store.expectations.suites import SUITES
from tests.support.syntax_trees import trees_of


def test_the_sentence_is_what_is_shown() -> None:
    error = CtGeometryError("missing-slice", "The CT lacks 1 slice.")
    assert (str(error), error.code, isinstance(error, ValueError)) == (
        "The CT lacks 1 slice.",
        "missing-slice",
        True,
    )


@pytest.mark.parametrize("kind", [StudyDefect, ContourError])
def test_code_and_sentence_survive_pickling(kind: type[StudyDefect]) -> None:
    # Our own bytes
    error = pickle.loads(pickle.dumps(kind("slug", "Sentence.")))  # noqa: S301
    assert (type(error), str(error), error.code) == (kind, "Sentence.", "slug")


def test_the_tree_is_as_drawn() -> None:
    assert issubclass(ContourError, StudyDefect)
    assert issubclass(StudyDefect, FeatureStoreError)


def _raised_codes() -> Counter[str]:
    """Return the codes that the package's own code raises, by how many places raise them."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    calls = [
        node.exc
        for tree in trees_of(packages=("feature_store",)).values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    return Counter(
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in kinds
        and isinstance(call.args[0], ast.Constant)
    )


def test_a_code_is_raised_in_one_place_and_not_where_a_rule_says_it() -> None:
    found = _raised_codes()
    assert {"truncated-pixels", "off-slice", "ring-too-small"} <= set(found)
    assert [code for code, places in found.items() if places > 1] == []
    assert set(found).isdisjoint(rule.code for rules in SUITES.values() for rule in rules)
