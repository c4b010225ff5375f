"""The form by which a run is asked for: a help text for each field, and centres as a choice.

The texts are those of the flow's docstring and of the fields' descriptions; Prefect itself reads no
numpydoc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from inspect import cleandoc
from typing import Any

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", re.DOTALL | re.MULTILINE)
_ONE = re.compile(r"^(\w+) :[^\n]*\n((?:[ ]+[^\n]*\n?|\n)*)", re.MULTILINE)
_ONE_CENTER, _CENTERS = "center", "centers"


def help_texts(docstring: str | None) -> dict[str, str]:
    """Return what a numpydoc docstring says of each parameter, as one line.

    Parameters
    ----------
    docstring : str or None
        The docstring.
    """
    section = _PARAMETERS.search(cleandoc(docstring or "") + "\n")
    found = _ONE.findall(section[1]) if section else []
    return {name: " ".join(text.split()).replace("``", "") for name, text in found}


def with_help(form: dict[str, Any], docstring: str | None) -> dict[str, Any]:
    """Return a form whose fields have the texts of a docstring.

    Parameters
    ----------
    form : dict
        JSON schema of a flow's parameters, as Prefect keeps it.
    docstring : str or None
        The flow's.
    """
    form, texts = deepcopy(form), help_texts(docstring)
    for name, field in form["properties"].items():
        if name in texts:
            field["description"] = texts[name]
    return form


def with_centers(form: dict[str, Any], centers: Sequence[str]) -> dict[str, Any]:
    """Return a form in which every centre is a choice.

    Parameters
    ----------
    form : dict
        JSON schema of a flow's parameters.
    centers : sequence of str
        The centres to choose from; none to leave the form as it is.
    """
    form = deepcopy(form)
    for name, field in fields(form) if centers else ():
        if name == _ONE_CENTER:
            _text(field)["enum"] = list(centers)
        elif name == _CENTERS:
            _entries(field)["enum"] = list(centers)
    return form


def fields(form: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of a form by its name, those of nested groups too."""
    groups = [form, *form.get("definitions", {}).values()]
    for group in groups:
        yield from group.get("properties", {}).items()


def _text(field: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a field that takes a text, which may be left out."""
    return next((one for one in field.get("anyOf", ()) if one["type"] == "string"), field)


def _entries(field: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a field that describes the entries of its list."""
    found = next((one for one in field.get("anyOf", ()) if one["type"] == "array"), field)
    entries: dict[str, Any] = found["items"]
    return entries
