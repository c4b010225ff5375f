"""The folds of a training with real networks: who teaches them, what is kept of those that are
done, and what ends them.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.tables.store import StudyIdentity
from flows.installation import Installation
from flows.runs import account
from flows.settings import Settings
from flows.training import cross_validation, network
from flows.training.cross_validation import cross_validated
from flows.training.network import remove_unfinished, train_deep_features, unfinished_file
from flows.training.request import TrainingRequest
from flows.training.train_model import combined_model_features, training_store
from models.combined.sample_splitting import DeepFeatures

PATIENTS = 40


def records() -> dict[str, ClinicalRecord]:
    days = np.random.default_rng(4).exponential(900, PATIENTS)
    return {
        f"p{number:02d}": ClinicalRecord(
            f"p{number:02d}",
            "A",
            70.0,
            Sex.MALE,
            Histology.SQUAMOUS,
            "II",
            float(np.ceil(day)),
            True,
        )
        for number, day in enumerate(days)
    }


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A training centre whose ring follows the outcome and whose tumours are noise."""
    for module in (network, cross_validation, account):
        monkeypatch.setattr(module, "get_run_logger", lambda: logging.getLogger("run"))
    file = tmp_path / "annulus.toml"
    file.write_text(
        f'[node]\nfolder = "{tmp_path / "node"}"\n'
        '[center.A]\nae_titles = ["A"]\nrole = "training"\n'
    )
    work = Installation(Settings.load(file))
    rng, digest = np.random.default_rng(3), work.settings.extraction().digest
    for key, record in records().items():
        identity = StudyIdentity("A", key, f"study-{key}", "c" * 64)
        assert record.survival_days is not None
        gtv, ring = np.ones((2, len(FEATURE_NAMES)))
        ring[:3] = np.log(record.survival_days) + rng.normal(size=3)
        work.store.put_radiomics(
            identity,
            {
                Region.GTV: FeatureVector(Region.GTV, gtv, digest),
                Region.RING_6MM: FeatureVector(Region.RING_6MM, ring, digest),
            },
        )
        work.store.put_deep_input(identity, rng.normal(size=(64, 64, 64)).astype(np.float32))
    return work


@pytest.mark.slow
def test_networks_of_folds_are_trained_once_and_what_they_found_is_kept(
    work: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    request = TrainingRequest(
        center="A",
        bundle=Path("bundle"),
        network_epochs=1,
        folds=2,
        deep_features=DeepFeatures.HELD_OUT,
        least_deaths_per_component=0,
    )
    source = training_store(work, request)
    taught = train_deep_features.fn(work, request, source, records())
    assert len(taught.learners) == PATIENTS // 2
    assert set(taught.left_for_model(records())) == set(records()) - taught.learners
    assert set(records()) - taught.unseen < taught.learners
    features = combined_model_features(work, request, source, taught.network)

    (found,) = cross_validated.fn(work, request, source, records(), features)
    assert (found.way, found.folds, found.epochs) == (DeepFeatures.HELD_OUT, 2, 1)
    assert [(one.n, one.n_network, one.n_model) for one in found.results] == [(20, 10, 10)] * 2
    kept = unfinished_file(work, request, ".folds-held-out.json")
    assert kept.is_file()
    assert not list(kept.parent.glob("*.folds-*.checkpoint"))
    assert sum("Fold 2 of 2" in one.getMessage() for one in caplog.records) == 1

    def trained(*_: object, **__: object) -> None:
        pytest.fail("a network of a fold that was done was trained again")

    monkeypatch.setattr(cross_validation, "train_network", trained)
    assert cross_validated.fn(work, request, source, records(), features) == (found,)
    kept.write_text("{}")
    late = request.model_copy(update={"fold_hours": 1e-12})
    assert cross_validated.fn(work, late, source, records(), features) == ()
    said = [one.getMessage() for one in caplog.records]
    assert any("are run again" in sentence for sentence in said)
    assert any("0 of 2 folds of the cross-validation were run" in sentence for sentence in said)
    remove_unfinished(work, request)
    assert list(kept.parent.iterdir()) == []


def test_no_folds_are_none(work: Installation) -> None:
    request = TrainingRequest(center="A", bundle=Path("bundle"), folds=0)
    source = training_store(work, request)
    features = source.features("A", [Region.RING_6MM], work.settings.extraction().digest)
    assert cross_validated.fn(work, request, source, records(), features) == ()
