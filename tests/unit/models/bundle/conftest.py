"""What a training says of itself, for the tests of this room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import CombinedModel
from models.combined.optimism import validate_internally
from models.combined.region_comparison import compare_regions
from models.network.checkpoint import Epoch
from tests.support.training_cohorts import Cohort


@pytest.fixture(scope="session")
def evidence(cohort: Cohort, model: CombinedModel) -> TrainingEvidence:
    internal = validate_internally(model, cohort.features, cohort.survival, resamples=2, seed=3)
    internal = replace(
        internal, redundant=(("gtv:001", "gtv:005", 0.987),), events_per_candidate=0.07
    )
    comparison = compare_regions(cohort.features, cohort.survival, seed=1)
    return TrainingEvidence((Epoch(1, 2.5, 3.5, True),), comparison, internal)
