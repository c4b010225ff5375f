"""A frozen bundle for integration tests: the real training on made-up features, and a network as it
is initialised.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.study_features import compute_features, load_study
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze
from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import train_combined_model
from models.network.deep_features import DeepFeatureExtractor
from models.network.engines import frozen_graph
from models.network.weights import DEEP_COLUMNS
from models.survival.survival_data import Survival
from tests.support.synthetic_studies import write_study

PATIENTS = 80
TRAITS = 6


def freeze_test_bundle(folder: Path) -> str:
    """Train on features of a few planted traits, as radiomics shows them; freeze, and return the
    digest.
    """
    from models.network.backend import keras
    from models.network.se_resnet import build_se_resnet, network_weights

    keras.utils.set_random_seed(1)
    network = network_weights(build_se_resnet())
    rng = np.random.default_rng(1)
    columns = [
        *(f"{region}:{name}" for region in ("gtv", "ring_6mm") for name in FEATURE_NAMES),
        *DEEP_COLUMNS,
    ]
    traits = rng.normal(size=(PATIENTS, TRAITS))
    scores = traits @ rng.normal(size=(TRAITS, len(columns))) + 0.3 * rng.normal(
        size=(PATIENTS, len(columns))
    )
    typical, deep_input = _features_of_a_synthetic_study(
        folder.with_name("typical"), DeepFeatureExtractor(network)
    )
    graph, check = frozen_graph(network, deep_input[np.newaxis])
    values = typical + scores * (0.5 * np.abs(typical) + 1e-3)
    follow_up = rng.exponential(900 / np.exp(traits[:, 0]))
    features = pd.DataFrame(
        values, index=[f"p{number:03d}" for number in range(PATIENTS)], columns=columns
    )
    survival = Survival(np.ceil(np.minimum(follow_up, 2500)), follow_up < 2500)
    model = train_combined_model(features, survival, seed=1)
    settings = ExtractionSettings()
    facts = BundleFacts(
        name="integration",
        version="1",
        intended_use="Demonstration model, not for clinical use: made for tests.",
        demonstration=True,
        extraction_settings=settings.to_json(),
        extraction_settings_digest=settings.digest,
        training_center="nowhere",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        software_version="test",
    )
    return freeze(folder, model, network, facts, TrainingEvidence(graph=check), graph=graph)


def _features_of_a_synthetic_study(
    folder: Path, network: DeepFeatureExtractor
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Give the made-up features the magnitude of real ones, so that real studies are not absurdly
    far away; return the network's input too.
    """
    *ct, rtstruct = write_study(folder, "TYPICAL")
    features = compute_features(load_study(read_study(ct, rtstruct), "GTV-1"), ExtractionSettings())
    deep = network.extract(features.deep_input[np.newaxis])[0]
    values = np.concatenate([*(vector.values for vector in features.vectors.values()), deep])
    return values, features.deep_input
