"""What a model itself says of a patient goes with the score: that it was trained on the patient, or
knows no such patients.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_store.imaging.image_marks import ImageMarks
from flows.studies.score_study import warnings_of_model
from models.bundle.frozen_bundle import FrozenBundle, freeze, load
from models.bundle.training_digests import training_digests
from models.combined.applicability import Applicability, fit_joint_distance
from models.combined.combined_model import train_combined_model
from tests.support.training_cohorts import bundle_facts, make_cohort
from validation_reports.cohort.trained_on import Leak

COHORT = make_cohort()
TRAINED = ImageMarks(1, ("uid",), ("hu",), ("person",))
NEW = ImageMarks(1, ("other uid",), ("other hu",), ("other person",))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> FrozenBundle:
    model = train_combined_model(COHORT.features, COHORT.survival, seed=1, blocks=("gtv",))
    distance = fit_joint_distance("radiomics", COHORT.features[list(model.features)])
    assert distance is not None
    folder = tmp_path_factory.mktemp("frozen") / "bundle"
    digest = freeze(
        folder,
        model,
        None,
        bundle_facts(),
        applicability=Applicability((distance,)),
        digests=training_digests([TRAINED.pixels], [TRAINED.instances], TRAINED.persons),
    )
    return load(folder, digest)


def test_a_patient_like_the_others_is_scored_without_a_word(bundle: FrozenBundle) -> None:
    assert warnings_of_model(bundle, COHORT.features.iloc[[4]], NEW) == ()


def test_a_feature_at_a_million_is_named(bundle: FrozenBundle) -> None:
    strange = COHORT.features.iloc[[4]].copy()
    feature = bundle.model.features[0]
    strange[feature] = 1e6
    (risk,) = bundle.model.score(strange)
    assert min(risk.survival.values()) in (0.0, 1.0)
    (sentence,) = warnings_of_model(bundle, strange, NEW)
    assert f"What stands out most is {feature}" in sentence


def test_a_training_patient_is_named_under_other_uids_the_same_uids_and_as_a_person(
    bundle: FrozenBundle,
) -> None:
    table = COHORT.features.iloc[[4]]
    for marks, leak in (
        (replace(NEW, pixels=TRAINED.pixels), Leak.IMAGES),
        (replace(NEW, instances=TRAINED.instances), Leak.IMAGES),
        (replace(NEW, persons=TRAINED.persons), Leak.PERSON),
    ):
        assert warnings_of_model(bundle, table, marks) == (leak.warning,)


def test_a_bundle_of_before_says_what_it_knows(bundle: FrozenBundle) -> None:
    before = replace(bundle, applicability=None, digests=None)
    assert warnings_of_model(before, COHORT.features.iloc[[4]] * 1e6, TRAINED) == ()
