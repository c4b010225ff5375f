"""A form has the texts of the docstring, and offers the centres."""

from __future__ import annotations

from typing import Any

from flows.runs.forms import fields, help_texts, with_centers, with_help

DOCSTRING = """Do it.

    Parameters
    ----------
    center : str
        The centre, as ``annulus.toml``
        names it.
    reason : str, optional
        Why.

    Raises
    ------
    nothing : at all
        Ever.
    """


def _form() -> dict[str, Any]:
    return {
        "properties": {
            "center": {"type": "string"},
            "request": {"$ref": "#/definitions/Request"},
        },
        "definitions": {
            "Request": {
                "properties": {
                    "center": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "centers": {"type": "array", "items": {"type": "string"}},
                    "name": {"type": "string"},
                }
            }
        },
    }


def test_the_texts_are_those_of_the_parameters_alone() -> None:
    texts = help_texts(DOCSTRING)
    assert texts == {"center": "The centre, as annulus.toml names it.", "reason": "Why."}
    assert help_texts(None) == help_texts("Do it.") == {}


def test_a_field_of_the_docstring_gets_its_text() -> None:
    form = with_help(_form(), DOCSTRING)
    assert form["properties"]["center"]["description"] == "The centre, as annulus.toml names it."
    assert "description" not in form["properties"]["request"]


def test_every_centre_is_a_choice_wherever_it_is_asked_for() -> None:
    before = _form()
    form = with_centers(before, ["B", "C"])
    group = form["definitions"]["Request"]["properties"]
    assert form["properties"]["center"]["enum"] == ["B", "C"]
    assert group["center"]["anyOf"] == [{"type": "string", "enum": ["B", "C"]}, {"type": "null"}]
    assert group["centers"]["items"] == {"type": "string", "enum": ["B", "C"]}
    assert group["name"] == {"type": "string"}
    assert before == _form() == with_centers(before, [])
    assert [name for name, _ in fields(form)] == ["center", "request", "center", "centers", "name"]
