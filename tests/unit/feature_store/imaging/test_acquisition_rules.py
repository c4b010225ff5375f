"""The acquisition that the paper's protocol has, and what departs from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_store.imaging.acquisition_rules import (
    PROTOCOL_RULES,
    AcquisitionFacts,
    acquisition_facts,
)
from feature_store.rules import Between, OneOf, fact
from tests.support.ct_volumes import ACQUISITION


def unmet(facts: AcquisitionFacts) -> list[str]:
    return [
        rule.code
        for rule in PROTOCOL_RULES
        if (value := fact(facts, rule.column)) is not None
        and isinstance(rule.bounds, Between | OneOf)
        and not rule.bounds.holds(value)
    ]


def test_facts_are_those_of_the_acquisition() -> None:
    facts = acquisition_facts(ACQUISITION)
    assert (facts.kvp, facts.matrix, facts.known_vendor) == (120.0, "12 x 14", None)
    assert unmet(facts) == ["matrix"]


@pytest.mark.parametrize(
    "vendor",
    [
        "SIEMENS",
        "Siemens Healthineers",
        "GE MEDICAL SYSTEMS",
        "Philips",
        "TOSHIBA",
        "CMS, Inc.",
    ],
)
def test_vendors_are_known_by_their_usual_spellings(vendor: str) -> None:
    facts = replace(acquisition_facts(ACQUISITION), rows=512, columns=512, manufacturer=vendor)
    assert unmet(facts) == []
    assert unmet(replace(facts, manufacturer="Acme")) == ["vendor"]
