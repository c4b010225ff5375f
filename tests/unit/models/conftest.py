"""What the tests of models share."""

from __future__ import annotations

import pytest

from models.bundle.facts import BundleFacts
from models.combined.combined_model import CombinedModel, train_combined_model
from tests.support.training_cohorts import Cohort, bundle_facts, make_cohort


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return make_cohort()


@pytest.fixture(scope="session")
def model(cohort: Cohort) -> CombinedModel:
    return train_combined_model(
        cohort.features, cohort.survival, seed=1, blocks=("gtv", "ring_6mm")
    )


@pytest.fixture
def facts() -> BundleFacts:
    return bundle_facts()
