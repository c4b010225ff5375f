"""Flows that may be refused: the same form and checks in Prefect as a plain flow, and a sentence
instead of a traceback.
"""

from __future__ import annotations

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.logging import disable_run_logger
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from flows.refusal import REFUSED, refusable_flow
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
    assert (REFUSABLE.name, REFUSABLE.flow_run_name) == (PLAIN.name, PLAIN.flow_run_name)
    assert REFUSABLE.version == PLAIN.version
    assert REFUSABLE.description == PLAIN.description


def test_its_parameters_are_checked_and_cast_like_those_of_a_plain_flow() -> None:
    for one in (PLAIN, REFUSABLE):
        cast = one.validate_parameters({"request": {"epochs": "7"}, "name": None})
        assert cast == {"request": Request(epochs=7), "name": None}
        with pytest.raises(ParameterTypeError, match="greater than or equal to 1"):
            one.validate_parameters({"request": {"epochs": 0}})
        with pytest.raises(ParameterTypeError, match="not permitted"):
            one.validate_parameters({"request": {"epochs": 1, "epoch": 2}})


def test_an_error_of_this_software_is_the_state_refused_with_its_sentence() -> None:
    with disable_run_logger():
        state = REFUSABLE.fn(Request(epochs=1), "refused")
    assert state.is_failed()
    assert (state.name, state.message) == (REFUSED, "Centre A has 3 deaths: 10 are needed.")
    assert REFUSABLE.fn(Request(epochs=5)).message == "5"


def test_any_other_error_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        REFUSABLE.fn(Request(epochs=1), "broken")
