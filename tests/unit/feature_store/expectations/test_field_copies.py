"""A model that takes over fields is the same, whether they are copied by slots or by Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Literal

import pytest
from pydantic.v1 import BaseModel, Field, validator
from pydantic.v1.fields import FieldInfo, ModelField

from feature_store.expectations.field_copies import copied, fields_copied_by_slots
from tests.support.fresh_interpreter import printed_by

MODELS = """
import json, sys
from pydantic.v1 import BaseModel
from pydantic.v1.fields import FieldInfo, ModelField
from feature_store.expectations.evaluation import great_expectations, prepare_to_judge
prepare_to_judge() if sys.argv[1] == "slots" else great_expectations()

def told(value, within=()):
    if isinstance(value, (ModelField, FieldInfo)):
        kept = {slot: getattr(value, slot, "not set") for slot in value.__slots__}
        return {slot: told(one, (*within, value)) for slot, one in kept.items()}
    if isinstance(value, dict):
        return {str(key): told(one, within) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(one, within) for one in value]
    return getattr(value, "__qualname__", None) or repr(value).split(" at 0x")[0]

def models(kind):
    for one in kind.__subclasses__():
        yield one
        yield from models(one)

found = list(dict.fromkeys(models(BaseModel)))
every = {}
for one in found:
    every.setdefault(f"{one.__module__}.{one.__qualname__}", []).append(told(one.__fields__))
fields = [id(field) for one in found for field in one.__fields__.values()]
shared = len(fields) - len(set(fields))
kinds = [len(kind.__subclasses__()) for kind in (ModelField, FieldInfo)]
print(json.dumps([every, shared, kinds, "boto3.session" in sys.modules]))
"""


class _Column(BaseModel):
    names: list[str] = Field(["a"], max_items=3, description="of columns")
    rows: dict[str, list[int] | Literal["all"]] = {}
    made_by: Callable[[], Any] = print

    @validator("names", each_item=True)
    def _lower(cls, value: str) -> str:  # noqa: N805
        return value.lower()


@pytest.mark.parametrize("name", list(_Column.__fields__))
def test_a_copy_has_the_same_values_and_shares_what_a_deep_copy_shares(name: str) -> None:
    field = _Column.__fields__[name]
    ours, python = copied(field, {}), deepcopy(field)
    assert type(ours) is ModelField
    assert repr(ours) == repr(python)
    for slot in ModelField.__slots__:
        mine, theirs = (getattr(one, slot) for one in (ours, python))
        own = getattr(field, slot)
        assert (mine is own) == (theirs is own), slot
    assert ours.field_info is not field.field_info
    assert ours.class_validators is not field.class_validators


def test_what_was_copied_before_is_not_copied_again() -> None:
    info = FieldInfo(["a"], title="once")
    memo: dict[int, Any] = {}
    one, other = deepcopy([info, info], memo)
    with fields_copied_by_slots():
        first, second = deepcopy([info, info])
    assert one is other
    assert first is second
    assert first is not info
    assert first.default == ["a"]
    assert first.default is not info.default


def test_a_slot_that_was_never_set_stays_so() -> None:
    bare = ModelField.__new__(ModelField)
    bare.name = "bare"
    found = copied(bare, {})
    assert found.name == "bare"
    assert not hasattr(found, "alias")


def test_a_model_that_takes_over_fields_judges_as_ever_and_changes_no_other() -> None:
    with fields_copied_by_slots():

        class Taken(_Column):
            names: list[str] = Field(["b"], max_items=2)

            @validator("rows")
            def _some(cls, value: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
                if not value:
                    raise ValueError("no rows")
                return value

    assert not hasattr(ModelField, "__deepcopy__")
    assert not hasattr(FieldInfo, "__deepcopy__")
    assert Taken(names=["A"], rows={"x": "all"}).names == ["a"]
    with pytest.raises(ValueError, match="no rows"):
        Taken(names=["A"], rows={})
    assert _Column(names=[], rows={}).rows == {}
    assert "_some" not in str(_Column.__fields__["rows"].class_validators)


@pytest.mark.slow
def test_every_model_of_great_expectations_has_the_fields_that_it_has_otherwise() -> None:
    (ours, shared, kinds, late), (stock, stock_shared, _, at_once) = (
        json.loads(printed_by(MODELS, how)[-1]) for how in ("slots", "python")
    )
    assert (late, at_once) == (False, True)
    assert kinds == [0, 0]
    assert shared == stock_shared == 0
    assert len(ours) > 300
    own = {name for name in ours if name.startswith("feature_store")}
    assert {name: ours[name] for name in ours if name not in own} == stock
