"""Flows that may be refused: the same form and checks in Prefect as a plain flow, and a sentence
instead of a traceback.
"""

from __future__ import annotations

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import disable_run_logger
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from flows.refusal import REFUSED, refusable_flow
from flows.runs.account import warn
from models.errors import TrainingError


class Request(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = Field(ge=1, description="At most.")


def body(request: Request, name: str | None = None) -> State[None]:
    """Do what is asked for.

    Parameters
    ----------
    request : Request
        What.
    name : str, optional
        Why.
    """
    if name == "refused":
        raise TrainingError("Centre A has 3 deaths: 10 are needed.")
    if name == "broken":
        raise ZeroDivisionError
    return Completed(message=f"{request.epochs}")


PLAIN = flow(name="train", flow_run_name="{name}")(body)
REFUSABLE = refusable_flow(name="train", flow_run_name="{name}")(body)


def test_its_form_name_and_version_are_those_of_a_plain_flow() -> None:
    assert REFUSABLE.parameters.model_dump() == PLAIN.parameters.model_dump()
    assert "epochs" in REFUSABLE.parameters.definitions["Request"]["properties"]
    assert REFUSABLE.name == PLAIN.name
    assert REFUSABLE.version == PLAIN.version
    assert REFUSABLE.description == PLAIN.description


def test_its_parameters_are_cast_and_wrong_ones_are_the_state_refused() -> None:
    assert REFUSABLE.fn({"epochs": "7"}).message == "7"  # type: ignore[arg-type]
    with disable_run_logger():
        few = REFUSABLE.fn({"epochs": 0})  # type: ignore[arg-type]
        misspelt = REFUSABLE.fn({"epochs": 1, "epoch": 2})  # type: ignore[arg-type]
    assert (few.name, few.message) == (
        REFUSED,
        "request.epochs is 0: expected 1 or more. At most.",
    )
    assert misspelt.message == "request.epoch is not known here: is epochs meant?"


def test_its_runs_are_named_by_its_parameters_and_by_itself_where_these_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for given, named in (
        ({"request": {"epochs": 1}, "name": "first"}, "first"),
        ({"request": {}, "name": "first"}, "train"),
    ):
        monkeypatch.setattr("prefect.runtime.flow_run.parameters", given, raising=False)
        assert callable(REFUSABLE.flow_run_name)
        assert REFUSABLE.flow_run_name() == named


def test_warnings_are_spelled_out_in_the_message() -> None:
    @refusable_flow(name="warned")
    def warned() -> State[None]:
        """Warn twice of one thing and once of another."""
        for sentence in ("It is late.", "It is late.", "It is cold."):
            warn(sentence)
        return Completed(message="done")

    with disable_run_logger():
        assert warned.fn().message == "done; 2 warnings: It is late. It is cold."


def test_an_error_of_this_software_is_the_state_refused_with_its_sentence() -> None:
    with disable_run_logger():
        state = REFUSABLE.fn(Request(epochs=1), "refused")
    assert state.is_failed()
    assert (state.name, state.message) == (REFUSED, "Centre A has 3 deaths: 10 are needed.")
    assert REFUSABLE.fn(Request(epochs=5)).message == "5"


def test_any_other_error_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        REFUSABLE.fn(Request(epochs=1), "broken")
