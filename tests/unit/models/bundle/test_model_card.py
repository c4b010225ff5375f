"""The card shows everything that a training says of itself, and its limits."""

from __future__ import annotations

from pathlib import Path

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze, load
from models.bundle.model_card import model_card
from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import CombinedModel


def test_the_card_shows_all_of_it(
    tmp_path: Path, evidence: TrainingEvidence, model: CombinedModel, facts: BundleFacts
) -> None:
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, facts, evidence))
    internal = evidence.internal
    assert internal is not None
    card = "\n".join(model_card(bundle))
    for expected in (
        "Intended use",
        "data as of 2026-01-02",
        f"{internal.corrected_concordance:.3f} corrected for optimism",
        f"{internal.out_of_bag:.3f} in patients left out",
        "region          gtv + ring_6mm: C 0.",
        "of resamples",
        "0.07 deaths per candidate feature",
        "gtv:001 and gtv:005 correlate at +0.99",
        "radiomics 3",
        "Limits",
    ):
        assert expected in card
