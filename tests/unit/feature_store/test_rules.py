"""Rules on single facts: what holds, what is not known, and what is refused with which error."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from feature_store.errors import CtGeometryError, StudyDefect
from feature_store.rules import Between, OneOf, Rule, Severity, Unique, fact, refuse, warning


@dataclass
class Facts:
    """Facts as rules take them: attributes."""

    length: float | None = 3.0
    lacking: tuple[str, ...] = ()


def short(severity: Severity = Severity.CRITICAL) -> Rule:
    return Rule(
        "short",
        "length",
        Between(2),
        "a length of 2",
        lambda f: f"It is {f.length}.",
        severity,
        error=CtGeometryError,
    )


@pytest.mark.parametrize(
    ("bounds", "value", "holds"),
    [
        (Between(2, 5), 2, True),
        (Between(2, 5), 5.01, False),
        (Between(2), 1e9, True),
        (Between(None, 5), -1e9, True),
        (Between(18, strict=True), 18, False),
        (Between(18, strict=True), 18.1, True),
        (Between(None, 1, strict=True), 1, False),
        (Between(2, 5), float("nan"), False),
        (OneOf((True,)), True, True),
        (OneOf((True,)), False, False),
    ],
)
def test_bounds(bounds: Between | OneOf, value: float, holds: bool) -> None:
    assert bounds.holds(value) is holds


def test_what_is_refused_is_the_first_critical_rule_that_is_not_met() -> None:
    table = (
        short(Severity.WARNING),
        Rule("lacking", "lacking", Between(None, 0), "nothing", lambda f: ", ".join(f.lacking)),
        short(),
    )
    refuse(table, Facts())
    with pytest.raises(CtGeometryError, match=r"It is 1\.") as caught:
        refuse(table, Facts(length=1))
    assert caught.value.code == "short"
    with pytest.raises(StudyDefect, match="KVP, rows") as first:
        refuse(table, Facts(length=1, lacking=("KVP", "rows")))
    assert first.value.code == "lacking"


def test_what_is_not_known_meets_every_rule_and_a_tuple_is_judged_by_its_length() -> None:
    refuse((short(),), Facts(length=None))
    assert (fact(Facts(lacking=("a", "b")), "lacking"), fact(Facts(), "length")) == (2, 3.0)


def test_a_rule_on_a_table_judges_no_single_fact() -> None:
    with pytest.raises(TypeError, match="twice judges a table"):
        refuse((Rule("twice", "length", Unique(), "one of each", str),), Facts())


def test_a_warning_can_be_released_and_a_critical_rule_cannot() -> None:
    one = warning("kvp", "kvp", Between(120, 120), "120 kV", str)
    assert (one.severity, one.releasable) == (Severity.WARNING, True)
    assert not short().releasable
