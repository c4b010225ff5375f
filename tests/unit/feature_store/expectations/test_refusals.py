"""Every code that is raised on the way is listed, and nothing else is."""

from __future__ import annotations

import ast

from feature_store import errors
from feature_store.errors import StudyDefect
from feature_store.expectations.refusals import REFUSALS
from feature_store.expectations.suites import SUITES
from feature_store.imaging.contour_combination import SliceRefusal
from tests.support.syntax_trees import trees_of

OF_THE_PROGRAM = {
    "ct-volume",
    "box-outside-grid",
    "mask-grid",
    "unknown-ring",
    "roi-points",
    "spacing",
    "feature-count",
}
"""No data can cause them."""
PASSED_ON = {"study"}
"""A step's verdict under its sentence."""
DEFECTS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, StudyDefect)
}


def raised() -> set[str]:
    found = {refusal.value for refusal in SliceRefusal}
    for tree in trees_of(packages=("feature_store", "flows")).values():
        for call in ast.walk(tree):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in {*DEFECTS, "_parsed"}
            ):
                found |= {
                    str(arg.value)
                    for arg in call.args[:2]
                    if isinstance(arg, ast.Constant) and " " not in str(arg.value)
                }
    return found


def test_the_list_holds_what_is_raised_and_no_more() -> None:
    assert set(REFUSALS) == raised() - OF_THE_PROGRAM - PASSED_ON


def test_a_code_is_either_a_rule_or_raised() -> None:
    assert not {rule.code for rules in SUITES.values() for rule in rules} & set(REFUSALS)
