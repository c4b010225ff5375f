"""The parts of a bundle as plain JSON values, and back: every part is a frozen dataclass that
validates itself, so its fields say all that a file of it must hold.

A field whose metadata say ``inline`` is written as the fields of its own value, beside the others.
One whose metadata say ``later`` came after the first bundles: it is left out while it has its
default, so that a bundle of before is frozen again to the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

_Part = TypeVar("_Part")


def to_record(part: Any) -> Any:
    """Return a part as mappings, lists, numbers and strings, from which `from_record` makes the
    same part; numbers keep every bit.
    """
    if is_dataclass(part):
        record: dict[str, Any] = {}
        for item in fields(part):
            found = getattr(part, item.name)
            if item.metadata.get("later") and found == item.default:
                continue
            value = to_record(found)
            record.update(value if item.metadata.get("inline") else {item.name: value})
        return record
    if isinstance(part, np.ndarray):
        return part.tolist()
    if isinstance(part, Mapping):
        return {key: to_record(value) for key, value in part.items()}
    if isinstance(part, tuple | list):
        return [to_record(value) for value in part]
    return part.isoformat() if isinstance(part, datetime) else part


def from_record(kind: type[_Part], record: Mapping[str, Any]) -> _Part:
    """Make a part from `to_record`'s answer; a field that the record lacks has its default.

    Parameters
    ----------
    kind : type
        The dataclass of the part.
    record : mapping
        Its fields by name.

    Raises
    ------
    TypeError, ValueError, KeyError, AttributeError
        If the record is not of such a part.
    """
    left, hints = dict(record), get_type_hints(kind)
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        hint = hints[item.name]
        if item.metadata.get("inline"):
            own = {inner.name: left.pop(inner.name) for inner in fields(hint)}
            values[item.name] = from_record(hint, own)
        elif item.name in left:
            values[item.name] = _value(hint, left.pop(item.name))
    if left:
        raise ValueError(f"A {kind.__name__} has no {min(left)}.")
    return kind(**values)


def _value(hint: Any, value: Any) -> Any:
    """Make one field's value; arrays, mappings and words are made of it by the part itself."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return None if value is None else _value(inner[0], value)
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return tuple(_value(kind, one) for kind, one in zip(kinds, value, strict=True))
    if is_dataclass(hint):
        return from_record(hint, value)  # type: ignore[arg-type]
    return datetime.fromisoformat(value) if hint is datetime else value
