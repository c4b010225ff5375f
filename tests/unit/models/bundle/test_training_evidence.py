"""What training says of itself comes back from JSON and from a bundle as it was."""

from __future__ import annotations

import json
from pathlib import Path

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze, load
from models.bundle.records import from_record, to_record
from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import CombinedModel


def test_it_survives_json_and_freezing(
    tmp_path: Path, evidence: TrainingEvidence, model: CombinedModel, facts: BundleFacts
) -> None:
    assert from_record(TrainingEvidence, json.loads(json.dumps(to_record(evidence)))) == evidence
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, facts, evidence))
    assert bundle.evidence == evidence
