"""Parameters are the types that a flow names, or a sentence that says what is wrong; the many that
can be wrong of a cohort are in `test_wrong_cohorts`.
"""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from flows.runs.parameters import WrongParametersError, at_most, checked, shown


class Request(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    studies: Annotated[list[str], at_most(2)] = Field(default=[], description="Which studies.")
    folder: Path = Field(description="A folder.")


def body(request: Request, name: str = "first", again: bool | None = None) -> None:
    """Take parameters."""


SIGNATURE = signature(body, eval_str=True)
FORM: dict[str, Any] = {
    "properties": {
        "request": {"$ref": "#/definitions/Request"},
        "name": {"description": "What it is called."},
        "again": {},
    },
    "definitions": {"Request": Request.model_json_schema()},
}


def test_parameters_are_cast_and_defaults_filled_in() -> None:
    found = checked(SIGNATURE, FORM, ({"folder": "/srv"},), {"again": "true"})
    assert found == {"request": Request(folder=Path("/srv")), "name": "first", "again": True}
    request = Request(folder=Path("/srv"))
    assert checked(SIGNATURE, FORM, (), {"request": request})["request"] is request


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "request is missing."),
        ({"request": {}}, "request.folder is missing. A folder."),
        ({"request": {"folder": 5}}, "request.folder is 5: expected a path. A folder."),
        (
            {"request": {"folder": "f", "studies": ["a", "b", "c"]}},
            "request.studies: 3 entries, expected at most 2. Which studies.",
        ),
        (
            {"request": {"folder": "f"}, "name": 5},
            "name is 5: expected a text. What it is called.",
        ),
        ({"request": {"folder": "f"}, "agian": True}, "agian is not known here: is again meant?"),
        (
            {"request": {"folder": "f"}, "xyz": 1},
            "xyz is not known here: expected one of request, name, again.",
        ),
    ],
)
def test_what_is_wrong_is_a_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(WrongParametersError) as refusal:
        checked(SIGNATURE, FORM, (), given)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a", "'a'"),
        ("x" * 60, f"'{'x' * 39}…'"),
        (True, "true"),
        (None, "empty"),
        ([1], "a list of 1 entry"),
        ([1, 2], "a list of 2 entries"),
        ({}, "a group of named values"),
        (1.5, "1.5"),
    ],
)
def test_values_are_shown_short(value: object, words: str) -> None:
    assert shown(value) == words
