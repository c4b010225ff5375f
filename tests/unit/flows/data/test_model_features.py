"""What a bundle reads of patients, out of a real store and of a study in memory: features,
signatures, training patients.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.study_features import StudyFeatures
from feature_store.tables.rows import AcquisitionRecord
from feature_store.tables.store import FeatureStore, StudyIdentity
from flows.data.model_features import (
    recomputed_features,
    stored_features,
    study_features,
    training_patients,
    with_model_inputs,
)
from flows.installation import Installation
from models.combined.applicability import Applicability, fit_joint_distance
from models.combined.combined_model import train_combined_model
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort

TRAINING, EXTERNAL, COLUMNS = 40, 8, 12


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    random = np.random.default_rng(3)
    folder: Path = tmp_path_factory.mktemp("store")
    store = FeatureStore(folder)
    values = random.normal(size=(TRAINING + EXTERNAL, len(FEATURE_NAMES)))
    for row, vector in enumerate(values):
        center = "A" if row < TRAINING else "B"
        identity = StudyIdentity(
            center, f"{center.lower()}{row % TRAINING:04d}", f"s{row}", f"c{row}"
        )
        store.put_radiomics(identity, {Region.GTV: FeatureVector(Region.GTV, vector, "s")})
    scan = AcquisitionRecord("2020-03", "SIEMENS", None, None, 120.0, 3.0)
    store.put_acquisition(StudyIdentity("B", "b0001", "s41", "c41"), scan)
    death = random.exponential(600 * np.exp(-1.5 * values[:TRAINING, 0]))
    survival = Survival(np.minimum(death, 2000.0) + 1, death < 2000)
    store.put_clinical(
        ClinicalTable(
            tuple(
                ClinicalRecord(
                    f"a{row:04d}",
                    "A",
                    60.0 + row,
                    Sex.MALE,
                    Histology.SQUAMOUS,
                    "IIIA" if row else None,
                    float(days),
                    True,
                )
                for row, days in enumerate(survival.days)
            ),
            (),
        )
    )
    names = [f"gtv:{name}" for name in FEATURE_NAMES[:COLUMNS]]
    table = pd.DataFrame(
        values[:TRAINING, :COLUMNS], columns=names, index=[f"a{row:04d}" for row in range(TRAINING)]
    )
    model = train_combined_model(table, survival, seed=1, blocks=("gtv",), horizons=(365, 730))
    facts = SimpleNamespace(training_center="A", made_elsewhere=False)
    settings = SimpleNamespace(extraction=lambda: SimpleNamespace(digest="s"))
    distance = fit_joint_distance("radiomics", table[list(model.features)])
    assert distance is not None
    bundle = SimpleNamespace(
        model=model, facts=facts, network=None, applicability=Applicability((distance,))
    )
    return cast("Installation", SimpleNamespace(store=store, bundle=bundle, settings=settings))


def test_a_study_in_memory_and_in_the_store_are_read_alike(work: Installation) -> None:
    stored = stored_features(work, "B")
    assert list(stored.index) == [f"b{row:04d}" for row in range(EXTERNAL)]
    vector = FeatureVector(Region.GTV, stored.loc["b0003"].to_numpy(), "s")
    in_memory = cast("StudyFeatures", SimpleNamespace(vectors={Region.GTV: vector}))
    assert study_features(work.bundle, in_memory) == stored.loc["b0003"].to_dict()
    pd.testing.assert_frame_equal(recomputed_features(work, work.bundle, "B"), stored)


def test_a_cohort_gets_what_the_model_reads(work: Installation) -> None:
    cohort = with_model_inputs(work, made_cohort("B", EXTERNAL, 1))
    model = work.bundle.model
    assert cohort.baseline is model.baseline
    assert cohort.features is not None
    assert tuple(cohort.features.columns) == model.features
    assert cohort.acquisitions is not None
    assert list(cohort.acquisitions["month"].dropna()) == ["2020-03"]
    assert cohort.acquisitions["month"].iloc[1] == "2020-03"
    assert cohort.in_range is not None
    assert cohort.in_range.shape == (EXTERNAL,)
    assert cohort.signatures is not None
    np.testing.assert_allclose(
        cohort.signatures["gtv"], model.signatures[0].values(cohort.features), atol=1e-12
    )


def test_without_everybodys_features_there_are_no_signatures(work: Installation) -> None:
    more = with_model_inputs(work, made_cohort("B", EXTERNAL + 1, 1))
    assert more.signatures is None
    assert more.features is None
    assert more.in_range is None
    assert more.baseline is not None


def test_training_patients_are_the_eligible_ones(work: Installation) -> None:
    found = training_patients(work)
    assert found is not None
    assert found.linear_predictor.shape == (TRAINING - 1,), (
        "the patient without a stage is not eligible"
    )
    assert list(found.covariates["age"]) == [60.0 + row for row in range(1, TRAINING)]
    assert tuple(found.features.columns) == work.bundle.model.features


def test_training_patients_elsewhere_are_none(work: Installation) -> None:
    bundle = SimpleNamespace(
        **{
            **vars(work.bundle),
            "facts": SimpleNamespace(training_center="elsewhere", made_elsewhere=False),
        }
    )
    other = SimpleNamespace(**{**vars(work), "bundle": bundle})
    assert training_patients(cast("Installation", other)) is None
