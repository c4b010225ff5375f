"""What is known of a model is complete, or the bundle cannot be made."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from models.bundle.facts import BundleFacts
from models.bundle.records import from_record, to_record
from models.errors import BundleError


def test_facts_survive_json(facts: BundleFacts) -> None:
    assert from_record(BundleFacts, json.loads(json.dumps(to_record(facts)))) == facts


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": " "}, "name is empty"),
        ({"intended_use": ""}, "intended use is empty"),
        ({"demonstration": "no"}, "does not say whether it is a demonstration"),
        ({"extraction_settings_digest": "A" * 64}, "not 64 hexadecimal digits"),
        # The naive time is the case
        ({"created_at": datetime(2026, 1, 1)}, "not in UTC"),  # noqa: DTZ001
        ({"created_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "not in UTC"),
    ],
)
def test_incomplete_facts_are_refused(
    facts: BundleFacts, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BundleError, match=sentence):
        replace(facts, **change)
