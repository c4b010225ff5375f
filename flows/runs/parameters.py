"""The parameters of a run, checked: what is wrong is a sentence that names the field, what was
found and what belongs there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from feature_store.wording import counted

_TOLD_AT_MOST = 5
_SHOWN_AT_MOST = 40
_DAY = "expected a day like 2026-01-31"
_NUMBER, _WHOLE = "expected a number", "expected a whole number"
_REASONS = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "date_from_datetime_inexact": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_parsing": _DAY,
    "date_type": _DAY,
    "dict_type": "expected a group of named values",
    "enum": "expected {expected}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_type": _WHOLE,
    "less_than_equal": "expected {le} or less",
    "list_type": "expected a list, as [...]",
    "literal_error": "expected {expected}",
    "model_attributes_type": "expected a group of named values",
    "model_type": "expected a group of named values",
    "path_type": "expected a path",
    "sequence_str": "expected a list, as [...]",
    "string_type": "expected a text",
    "too_short": "expected {min_length} or more",
}
_ENTRY = TypeVar("_ENTRY")


class WrongParametersError(ValueError):
    """What was asked of a flow cannot be meant; says what, where and what belongs there."""


def at_most(number: int) -> AfterValidator:
    """Return the check that a list has no more entries than so many."""

    def check(entries: Sequence[_ENTRY]) -> Sequence[_ENTRY]:
        if len(entries) > number:
            raise ValueError(
                f"{counted(len(entries), 'entry', 'entries')}, expected at most {number}."
            )
        return entries

    return AfterValidator(check)


Centers = Annotated[list[str], at_most(100)]
"""Names of centres."""


def checked(
    signature: Signature,
    form: Mapping[str, Any],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> dict[str, Any]:
    """Return the parameters of a call as the types that the flow names.

    Parameters
    ----------
    signature : Signature
        The flow's, with its annotations evaluated.
    form : mapping
        JSON schema of its parameters, whose descriptions are told.
    args, kwargs : sequence and mapping
        What it is called with.

    Raises
    ------
    WrongParametersError
        If that is not what the flow takes.
    """
    given = signature.bind_partial(*args).arguments | dict(kwargs)
    fields: dict[str, Any] = {
        name: (one.annotation, ... if one.default is Parameter.empty else one.default)
        for name, one in signature.parameters.items()
    }
    strict = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    model: type[BaseModel] = create_model("Parameters", __config__=strict, **fields)
    try:
        found = model.model_validate(given)
    except ValidationError as error:
        raise WrongParametersError(_in_words(error, form)) from None
    return {name: getattr(found, name) for name in fields}


def _in_words(error: ValidationError, form: Mapping[str, Any]) -> str:
    found = error.errors(include_url=False)
    told = [_sentence(one, form) for one in found[:_TOLD_AT_MOST]]
    if (more := len(found) - _TOLD_AT_MOST) > 0:
        told.append(f"{more} more {'is' if more == 1 else 'are'} wrong.")
    return " ".join(told)


def _sentence(error: ErrorDetails, form: Mapping[str, Any]) -> str:
    fields = [part for part in error["loc"] if not str(part).startswith("function-")]
    where, field, siblings = _place(fields, form)
    kind, context = error["type"], error.get("ctx", {})
    is_group = "$ref" in field or not field.get("description")
    told = "" if is_group else f" {field['description']}"
    if kind == "missing":
        return f"{where} is missing.{told}"
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        name = str(fields[-1])
        close = get_close_matches(name, siblings, 1)
        meant = f"is {close[0]} meant?" if close else f"expected one of {', '.join(siblings)}."
        return f"{where} is not known here: {meant}"
    if kind == "value_error":
        return f"{where}: {context['error']}{told}"
    reason = _REASONS.get(kind, "").format(**context) or _plain(kind, error["msg"])
    return f"{where} is {shown(error['input'])}: {reason}.{told}"


def _plain(kind: str, message: str) -> str:
    if kind == "string_pattern_mismatch":
        return "this is not how it is written"
    return f"{message[:1].lower()}{message[1:]}"


def _place(
    location: Sequence[str | int], form: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any], list[str]]:
    """Return the name of a field for people, what the form says of it, and its group's fields."""
    where, field, group = "", dict(form), dict(form)
    for part in location:
        group = _group(field, form)
        if isinstance(part, int):
            where += f"[{part}]"
            field = {"description": field.get("description", "")}
        elif part in group.get("properties", {}):
            where += f".{part}" if where else part
            field = group["properties"][part]
        elif part == location[-1]:
            where += f".{part}" if where else part
    return where or "what was asked for", field, list(group.get("properties", {}))


def _group(field: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    name = str(field.get("$ref", "")).rpartition("/")[2]
    return dict(form.get("definitions", {}).get(name, field))


def shown(value: object) -> str:
    """Return a value as a person wrote it, cut where it is long."""
    if isinstance(value, str):
        whole = repr(value)
        return whole if len(whole) <= _SHOWN_AT_MOST else f"{whole[:_SHOWN_AT_MOST]}…'"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "empty"}[value]
    if isinstance(value, list):
        return f"a list of {len(value)} entr{'y' if len(value) == 1 else 'ies'}"
    if isinstance(value, dict):
        return "a group of named values"
    return repr(value)[:_SHOWN_AT_MOST]
