"""The settings file as text: where it is, its tables, and each fault with its line.

Values of the file must have their own type: ``port = "104"`` is text. Values of environment
variables are text always, and are read as what their key wants.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

TABLES: Final = (
    "node",
    "center",
    "features",
    "augmentation",
    "model",
    "certainty",
    "combat",
    "validation",
    "prefect",
    "expectations",
    "system",
    "portal",
    "notify",
    "clinical",
)
"""Every table that the settings file may hold; the node reads `node` and `center`."""

SETTINGS_VARIABLE: Final = "ANNULUS_SETTINGS"
VARIABLE_PREFIX: Final = "ANNULUS_"
NESTED: Final = "__"
_DEFAULT_FILE = Path("annulus.toml")
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "a byte-order mark",
    b"\xff\xfe": "a byte-order mark of UTF-16",
    b"\xfe\xff": "a byte-order mark of UTF-16",
}
_TOML_FAULTS = {
    "Cannot overwrite a value": "the key has a value already: keep one of the two",
    "Cannot declare": "the table was opened above: put all its keys under one head",
    "Expected ']' at the end of a table declaration": "the head of a table wants its ] here",
    "Invalid value": "the value cannot be read: text stands in quotes, true and false in small "
    "letters",
    "Illegal character": "a character that may not stand here; in a path, write / or use single "
    "quotes",
    "Unescaped '\\' in a string": "a backslash in double quotes: use single quotes, or write two",
    "Expected '=' after a key in a key/value pair": "a key is followed by = and its value",
}
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "tuple_type": "a list in brackets",
    "list_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_LONGEST_SHOWN = 60


class SettingsError(ValueError):
    """The settings cannot be used; the message says which line and key, what was found and what is
    expected.
    """


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the settings.

    Parameters
    ----------
    keys : tuple of str or int
        Where: tables and key, and which one of a list.
    sentence : str
        What was found, what is expected.
    """

    keys: tuple[str | int, ...]
    sentence: str


class ContradictionError(ValueError):
    """Settings that are sound one by one and cannot hold together.

    Parameters
    ----------
    faults : sequence of Fault
        What is wrong, each at its key.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.sentence for fault in faults))
        self.faults = tuple(faults)


def settings_file(path: Path | None = None) -> Path | None:
    """Return the settings file to read: `path`, else ``ANNULUS_SETTINGS``, else ``annulus.toml`` if
    it exists.
    """
    if path is not None:
        return path
    if named := os.environ.get(SETTINGS_VARIABLE):
        return Path(named)
    return _DEFAULT_FILE if _DEFAULT_FILE.exists() else None


def read_text(file: Path, what: str = "settings file") -> str:
    """Return the text of a file of an installation.

    Raises
    ------
    SettingsError
        If it cannot be read, or is not UTF-8 without a byte-order mark.
    """
    try:
        content = file.read_bytes()
    except IsADirectoryError as error:
        raise SettingsError(f"The {what} {file} is a folder: name the file in it.") from error
    except OSError as error:
        raise SettingsError(f"The {what} {file} cannot be read: {error.strerror}.") from error
    for mark, name in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise SettingsError(
                f"The {what} {file} begins with {name}, which some editors write: save it as UTF-8 "
                "without one."
            )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"The {what} {file} is not UTF-8 in line {line}: save it as UTF-8."
        ) from error


def read_tables(file: Path, fields: Mapping[str, FieldInfo]) -> tuple[dict[str, Any], str]:
    """Return the tables of the settings file, and its text.

    Parameters
    ----------
    file : Path
        The TOML file.
    fields : mapping of str to FieldInfo
        The tables that are read, each by its model; the others are left to their owners.

    Raises
    ------
    SettingsError
        If the file is not TOML, or a table, key or value is not what is expected.
    """
    text = read_text(file)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"The settings file {file} is not TOML: {_not_toml(error, text)}."
        ) from (error)
    faults = [Fault((name,), _unknown_table(name, fields)) for name in tables if name not in TABLES]
    for name in tables:
        if name in fields:
            faults += _of_wrong_type(name, tables[name], fields[name])
    if faults:
        raise SettingsError(as_sentence(faults, file, text))
    return tables, text


def of_error(
    error: ValidationError, models: Mapping[str, FieldInfo], within: tuple[str, ...] = ()
) -> list[Fault]:
    """Return what pydantic found, as this file says it.

    Parameters
    ----------
    error : ValidationError
        What it found.
    models : mapping of str to FieldInfo
        The tables, each by its model.
    within : tuple of str
        The tables that the places in `error` count from.
    """
    found: list[Fault] = []
    for item in error.errors():
        keys = (*within, *item["loc"])
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, ContradictionError):
            found += [Fault((*keys, *fault.keys), fault.sentence) for fault in inner.faults]
        else:
            found.append(Fault(keys, _said(item, keys, models)))
    return found


def as_sentence(faults: Iterable[Fault], file: Path | None, text: str = "") -> str:
    """Return faults as one message: each with its line, or its environment variable."""
    said = list(dict.fromkeys(f"{_place(fault, text)}: {fault.sentence}" for fault in faults))
    head = f"The settings {f'file {file}' if file else 'in the environment'} cannot be used:"
    return f"{head} {said[0]}" if len(said) == 1 else "\n  ".join([head, *said])


def line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """Return the line of the settings file in which a key, or what holds it, is given; the last one
    that says most of the way to it.
    """
    best, found = 0, None
    table: tuple[str | int, ...] = ()
    heads: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"\s*(\[\[?)([^\[\]]+)\]", line):
            names = _names(head[2])
            if head[1] == "[[":
                heads[names] = heads.get(names, -1) + 1
                table = (*names, heads[names])
            else:
                table = names
            here = table
        elif key := re.match(r"\s*([A-Za-z0-9_\-.\"' ]+?)\s*=", line):
            here = (*table, *_names(key[1]))
        else:
            continue
        if len(here) > best and tuple(keys[: len(here)]) == here:
            best, found = len(here), number
        elif found is None and tuple(keys) == here[: len(keys)]:
            found = number
    return found


def variable_of(keys: Sequence[str | int]) -> str:
    """Return the environment variable that overrides a key."""
    return VARIABLE_PREFIX + NESTED.join(str(key) for key in keys).upper()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, if one is."""
    found = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _names(dotted: str) -> tuple[str, ...]:
    """Split ``center."B"`` as TOML does."""
    try:
        inner: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    names = []
    while isinstance(inner, dict):
        ((name, inner),) = inner.items()
        names.append(name)
    return tuple(names)


def _not_toml(error: tomllib.TOMLDecodeError, text: str) -> str:
    words = str(error)
    reason = next((mend for start, mend in _TOML_FAULTS.items() if words.startswith(start)), words)
    place = re.search(r"at line (\d+)", words)
    if place is None:
        return reason
    line = text.splitlines()[int(place[1]) - 1].strip()
    shown = line if "=" not in line else line.partition("=")[0].strip()  # a value may be a secret
    return f"line {place[1]} ({shown[:_LONGEST_SHOWN]}): {reason}"


def _of_wrong_type(name: str, table: object, field: FieldInfo) -> list[Fault]:
    dates = [
        Fault((name, *keys), f"Found the date {value}, expected another kind of value.")
        for keys, value in _leaves(table)
        if isinstance(value, date | time)
    ]
    if dates:
        return dates
    kind: Any = field.annotation
    try:
        TypeAdapter(kind).validate_json(json.dumps(table), strict=True)
    except ValidationError as error:
        return of_error(error, {name: field}, (name,))
    return []


def _leaves(value: object) -> list[tuple[tuple[str | int, ...], object]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [((key, *keys), leaf) for key, inner in pairs for keys, leaf in _leaves(inner)]
    return [((), value)]


def _said(item: Any, keys: Sequence[str | int], models: Mapping[str, FieldInfo]) -> str:
    kind, context, found = item["type"], item.get("ctx", {}), item["input"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(str(keys[-1]), _known_keys(keys[:-1], models), "key")
    if kind == "missing":
        return "It is missing: give it a value."
    if kind in ("enum", "literal_error"):
        expected = f"one of {str(context['expected']).replace(' or ', ', ')}"
    elif kind == "string_pattern_mismatch":
        expected = "the 64 characters 0-9 and a-f that `python -m models verify FOLDER` prints"
    elif kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
        ((bound, limit),) = context.items()
        expected = f"{words[bound]} {limit:g}" if limit < 1e6 else f"{words[bound]} {limit:.0f}"
    elif kind in ("too_long", "too_short", "missing_argument", "unexpected_positional_argument"):
        expected = "another number of values"
    else:
        expected = _EXPECTED.get(kind) or f"something else ({item['msg']})"
        if isinstance(found, str) and kind.startswith(("int", "float", "bool")):
            expected += " without quotes"
    return f"Found {_shown(found)}, expected {expected}."


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    words = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
    return words if len(words) <= _LONGEST_SHOWN else words[: _LONGEST_SHOWN - 1] + "…"


def _unknown(name: str, known: Sequence[str], what: str) -> str:
    if similar := nearest(name, known):
        return f"No {what} has this name: did you mean {similar}?"
    return f"No {what} has this name: expected {', '.join(known)}."


def _unknown_table(name: str, fields: Mapping[str, FieldInfo]) -> str:
    owners = [f"[{table}]" for table in fields if name in _known_keys((table,), fields)]
    if owners:
        return f"It stands above every table: it belongs below {' or '.join(owners)}."
    return _unknown(name, TABLES, "table")


def _known_keys(keys: Sequence[str | int], models: Mapping[str, FieldInfo]) -> tuple[str, ...]:
    """Return the keys of the table at `keys`."""
    annotation: Any = models[str(keys[0])].annotation
    for key in keys[1:]:
        table = _model_in(annotation)
        if table is not None and isinstance(key, str) and key in table.model_fields:
            annotation = table.model_fields[key].annotation
    table = _model_in(annotation)
    return tuple(table.model_fields) if table is not None else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(one) for one in getattr(annotation, "__args__", ()))
    return next((one for one in inner if one is not None), None)


def _place(fault: Fault, text: str) -> str:
    name = ".".join(str(key) for key in fault.keys) or "file"
    variable = variable_of(fault.keys)
    if fault.keys and variable in os.environ:
        return f"environment variable {variable} ({name})"
    line = line_of(text, fault.keys)
    return f"line {line}, {name}" if line is not None else name
