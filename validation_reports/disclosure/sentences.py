"""What sentences and queries of a report say when it leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from validation_reports.disclosure.alike_patients import SMALLEST_CELL, on_grid
from validation_reports.disclosure.small_cells import shown
from validation_reports.report.validation_report import Provenance

_T = TypeVar("_T")


def without_pseudonyms(found: Provenance) -> Provenance:
    """Return where numbers come from, without the pseudonyms that a query may name."""
    try:
        query = json.loads(found.query)
    except ValueError:
        return found
    if not isinstance(query, dict) or not query.get("patients"):
        return found
    query["patients"] = f"{shown(len(query['patients']))} patients by pseudonym, not shown"
    return replace(found, query=json.dumps(query))


def sentence_that_leaves(text: str) -> str:
    """Return a reason without counts of few patients, and without one patient's time."""
    text = re.sub(r" \(\d+ patients?, \d+ deaths?\)", "", text)
    fewer = re.sub(
        r"\b[1-4] (?:more )?(patient|death|event)s?\b",
        rf"fewer than {SMALLEST_CELL} \1s",
        text,
    )
    return re.sub(
        r"(follow-up(?: is|,)? )(\d+(?:\.\d+)?) days",
        lambda found: f"{found[1]}about {on_grid(float(found[2])):g} days",
        fewer,
    )


def everywhere(value: Any, kind: type[_T], change: Callable[[_T], _T]) -> Any:
    """Return a record with each part of one kind changed."""
    if isinstance(value, kind):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        new = {
            one.name: everywhere(getattr(value, one.name), kind, change)
            for one in fields(value)
            if one.init
        }
        same = all(new[name] is getattr(value, name) for name in new)
        return value if same else replace(value, **new)
    if isinstance(value, tuple):
        changed = tuple(everywhere(one, kind, change) for one in value)
        return value if all(a is b for a, b in zip(changed, value, strict=True)) else changed
    if isinstance(value, Mapping):
        return {name: everywhere(one, kind, change) for name, one in value.items()}
    return value
