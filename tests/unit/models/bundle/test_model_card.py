"""The card shows everything that a training says of itself, and its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze, load
from models.bundle.model_card import model_card
from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import CombinedModel, train_combined_model
from models.combined.cross_validation import CrossValidation, FoldResult
from models.combined.optimism import validate_internally
from models.combined.robustness import Robustness
from models.combined.sample_splitting import DeepFeatures
from models.network.engines import GraphCheck
from models.network.weights import NetworkWeights
from tests.support.training_cohorts import make_cohort


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


def test_the_card_says_what_computes_the_network(tmp_path: Path, facts: BundleFacts) -> None:
    blocks = ("gtv", "deep")
    cohort = make_cohort(blocks=blocks)
    model = train_combined_model(cohort.features, cohort.survival, seed=1, blocks=blocks)
    weights = NetworkWeights({"stem/kernel": np.ones((2, 3), np.float32)})
    cards = {}
    for name, difference in (("near", 1.3e-6), ("far", 2e-3)):
        check = GraphCheck("openvino 2026.4.1", "tensorflow 2.21.0", 16, difference, 1.617)
        evidence = TrainingEvidence(graph=check)
        graph = b"graph" if check.agrees else None
        digest = freeze(tmp_path / name, model, weights, facts, evidence, graph=graph)
        bundle = load(tmp_path / name, digest)
        assert bundle.evidence == evidence
        cards[name] = "\n".join(model_card(bundle))
    assert (
        "ONNX graph      scores; openvino 2026.4.1 and tensorflow 2.21.0 differ by 1.3e-06 at most "
        "in the deep features of 16 tumours, the largest of which is 1.62"
    ) in cards["near"]
    assert "differs too much and was left out: Keras scores; " in cards["far"]


def folds(way: DeepFeatures) -> CrossValidation:
    results = tuple(
        FoldResult(number, 24, 20, 96, 96, 0.5 + number / 20, {"gtv": 0.62, "deep": 0.51})
        for number in (1, 2)
    )
    failed = FoldResult(3, 24, 20, 95, 96, None, {}, "The Lasso keeps none.")
    return CrossValidation(way, 5, 40, 1, ("gtv", "deep"), (*results, failed))


@pytest.mark.slow
def test_the_first_figures_are_of_patients_whom_nothing_had_seen(
    tmp_path: Path, facts: BundleFacts
) -> None:
    """What the network had seen is no performance of a model that reads its features."""
    cohort = make_cohort(blocks=("gtv", "deep"))
    model = train_combined_model(cohort.features, cohort.survival, seed=1, blocks=("gtv", "deep"))
    network = NetworkWeights({"a": np.zeros(1, dtype=np.float32)})
    internal = validate_internally(model, cohort.features, cohort.survival, resamples=2, seed=3)

    def performance(evidence: TrainingEvidence, name: str) -> list[str]:
        folder = tmp_path / name
        card = model_card(load(folder, freeze(folder, model, network, facts, evidence)))
        assert "corrected" not in "".join(card)
        assert "apparent" not in "".join(card)
        assert any("of resamples" in line for line in card)
        place = card.index("Performance at the training centre")
        return card[place + 1 : card.index("Limits") - 1]

    assert performance(TrainingEvidence(internal=internal), "without") == [
        "  not internally validated: the whole training, network included, was not cross-validated"
    ]
    both = (folds(DeepFeatures.SAME), folds(DeepFeatures.HELD_OUT))
    lines = performance(
        TrainingEvidence(internal=internal, cross_validations=both, n_network=120), "with"
    )
    assert lines[:4] == [
        (
            "  Harrell's C     0.550 (standard error 0.046) in patients whom nothing had seen: 3 "
            "folds, network, selection, Cox model made anew in each, 1 without a model, 2 not run "
            "for lack of time"
        ),
        (
            "                  network and Cox model learnt from the same patients: in a fold "
            "95-96 and 96, at most 40 epochs"
        ),
        "    gtv: C 0.580 (standard error 0.063), selected in 2 of 3 folds",
        "    deep: C 0.507 (standard error 0.005), selected in 2 of 3 folds",
    ]
    assert "learnt from different patients" in lines[5]


def test_the_card_tells_which_features_hold_over_other_contours(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    read = dict.fromkeys(model.features, 0.953)
    found = Robustness(0.9, 10, 87, 3, {**read, "gtv:unsteady": 0.4, "deep:000": 0.2})
    evidence = TrainingEvidence(robustness=found)
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, facts, evidence))
    assert bundle.evidence.robustness == found
    card = model_card(bundle)
    (line,) = (one for one in card if "robust " in one)
    assert "at least 0.9 over 10 perturbed contours of 87 patients, 3 more left out" in line
    of_gtv = sum(name.startswith("gtv:") for name in read)
    assert f"    gtv: {of_gtv} of {of_gtv + 1} features" in card
    assert "    deep: 0 of 1 feature" in card
    assert sum("ICC 0.95" in one for one in card) == len(read)


def test_the_card_says_that_the_ring_was_chosen_and_how_the_folds_chose(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    folds = tuple(
        FoldResult(number, 10, 8, 0, 40, 0.6, {"ring": 0.6}, ring=ring)
        for number, ring in enumerate(("ring_3mm", "ring_6mm", "ring_3mm"), start=1)
    )
    found = CrossValidation(DeepFeatures.SAME, 3, 0, 1, ("gtv", "ring"), folds)
    evidence = TrainingEvidence(cross_validations=(found,), chose_ring=True)
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, facts, evidence))
    card = "\n".join(model_card(bundle))
    assert "its apparent figures are too high by this choice as well" in card
    assert "chosen anew by the learners of each fold: ring_3mm in 2, ring_6mm in 1" in card
    assert bundle.evidence == evidence


def test_the_card_of_a_model_of_imported_features_says_that_it_reads_no_image(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    imported = replace(facts, extraction_settings='{"made_elsewhere":{}}')
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, imported))
    card = "\n".join(model_card(bundle))
    assert "origin          features made elsewhere and imported" in card
    assert "Reads radiomic features that were made elsewhere" in card
    assert "Reads a planning CT" not in card
