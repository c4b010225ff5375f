"""Copies of the fields of pydantic's models, as they are made when a model takes over those of
another.

Great Expectations has 370 models that take over fields from each other. pydantic copies them with
`copy.deepcopy`, which looks at each of their fifty slots at length; nearly all hold nothing, a
number, a name or a function, of which a deep copy is the thing itself. To see that first makes
importing the library a quarter faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from types import BuiltinFunctionType, FunctionType
from typing import Any

from pydantic.v1.fields import FieldInfo, ModelField

_COPIES_OF_THEMSELVES = frozenset(
    {type(None), bool, int, float, str, type, FunctionType, BuiltinFunctionType}
)
_NOT_SET = object()
_KINDS: tuple[Any, ...] = (ModelField, FieldInfo)


@contextmanager
def fields_copied_by_slots() -> Iterator[None]:
    """Let what is defined meanwhile copy fields with `copied`, whose copies are those of
    `copy.deepcopy`.
    """
    for kind in _KINDS:
        kind.__deepcopy__ = copied
    try:
        yield
    finally:
        for kind in _KINDS:
            del kind.__deepcopy__


def copied(field: Any, memo: dict[int, Any]) -> Any:
    """Return a deep copy of something whose values are all in slots of its own class.

    Parameters
    ----------
    field : object
        A `ModelField` or `FieldInfo`.
    memo : dict
        What was copied before, by identity, as `copy.deepcopy` hands it over.
    """
    kind: Any = type(field)
    made = kind.__new__(kind)
    memo[id(field)] = made
    for slot in kind.__slots__:
        value = getattr(field, slot, _NOT_SET)
        if value is not _NOT_SET:
            same = value.__class__ in _COPIES_OF_THEMSELVES
            setattr(made, slot, value if same else deepcopy(value, memo))
    return made
