"""A bundle's files are read and written as they were in every version of their schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle.frozen_bundle import MODEL, freeze, load
from models.bundle.model_card import model_card
from models.bundle.records import from_record, to_record
from models.combined.combined_model import CombinedModel
from models.combined.signature import Signature
from models.survival.lasso_cross_validation import LambdaRule

FROZEN_BEFORE = Path(__file__).parent / "bundle_of_schema_2"
"""Frozen by software version 0.1.0 from 80 made-up patients, with curve, evidence and ComBat."""
DIGEST = "9e1e097982e4e225e32f44a1a24d64de6dbb4e6c87212a379047f9666bda73e5"


@pytest.fixture
def record() -> dict[str, Any]:
    model: dict[str, Any] = json.loads((FROZEN_BEFORE / MODEL).read_text())
    return model


def test_a_bundle_of_before_scores_as_it_did() -> None:
    bundle = load(FROZEN_BEFORE, DIGEST)
    patient = pd.DataFrame(
        {
            "gtv:001": [17.85803261182141],
            "gtv:002": [5.998902455235239],
            "ring_6mm:002": [13.501604941943114],
        }
    )
    (risk,) = bundle.model.score(patient)
    assert risk.linear_predictor == pytest.approx(0.09963020820443957, rel=1e-12)
    assert dict(risk.survival) == pytest.approx(
        {365: 0.6534221854985905, 730: 0.42715862948323347, 1095: 0.2573117404085348}, rel=1e-12
    )
    assert risk.high_risk
    assert bundle.combat is not None
    assert bundle.combat.patients == 80
    card = "\n".join(model_card(bundle))
    assert "0.638 (0.559-0.718) apparent; 0.608 corrected for optimism" in card
    assert "settings " + "a" * 64 in card


def test_a_bundle_of_before_is_frozen_again_to_the_same_bytes(tmp_path: Path) -> None:
    bundle = load(FROZEN_BEFORE, DIGEST)
    weights = None if bundle.network is None else bundle.network.weights()
    parts = (bundle.model, weights, bundle.facts, bundle.evidence, bundle.combat)
    assert freeze(tmp_path / "again", *parts) == DIGEST


def test_a_field_that_came_later_has_its_default(record: dict[str, Any]) -> None:
    del record["training"]["settings"]["lambda_rule"]
    del record["training"]["warnings"]
    training = from_record(CombinedModel, record).training
    assert training.settings.lambda_rule is LambdaRule.MIN
    assert training.warnings == ()


def test_the_z_score_is_written_beside_its_signature(record: dict[str, Any]) -> None:
    for written in record["signatures"]:
        signature = from_record(Signature, written)
        np.testing.assert_array_equal(signature.z_score.means, written["means"])
        assert list(signature.features) == written["features"]
        assert to_record(signature) == written


def test_a_record_of_something_else_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="A CombinedModel has no colour"):
        from_record(CombinedModel, {**record, "colour": "blue"})
    del record["cutoff"]
    with pytest.raises(TypeError, match="cutoff"):
        from_record(CombinedModel, record)
