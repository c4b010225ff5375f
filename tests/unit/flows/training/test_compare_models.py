"""Two bundles on the patients of a real store: with and without SE modules, each by the features of
its own network.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from feature_store.clinical_records import (
    ClinicalRecord,
    ClinicalTable,
    ClinicalTableError,
    Histology,
    Sex,
)
from feature_store.imaging.image_marks import ImageMarks
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.tables.store import FeatureStore, StudyIdentity
from flows.installation import Installation
from flows.training.compare_models import (
    COMBINED,
    DEEP,
    TOGETHER,
    compare_on,
    names_of,
    not_to_compare_on,
)
from models.bundle.frozen_bundle import FrozenBundle, freeze, load
from models.combined.combined_model import train_combined_model
from models.combined.signature import SelectionSettings
from models.errors import FeatureMismatchError
from models.network.deep_features import DeepFeatureExtractor
from models.network.weights import DEEP_COLUMNS, NetworkWeights
from models.survival.survival_data import Survival
from tests.support.training_cohorts import bundle_facts
from validation_reports.cohort.trained_on import Leak

PATIENTS, CENTERS = 18, ("A", "B", "C")


def initial(*, squeeze_excitation: bool) -> NetworkWeights:
    from models.network.backend import keras
    from models.network.se_resnet import build_se_resnet, network_weights

    keras.utils.set_random_seed(1)
    network = build_se_resnet(squeeze_excitation=squeeze_excitation)
    return network_weights(network, squeeze_excitation=squeeze_excitation)


@pytest.mark.slow
def test_each_centre_and_the_external_ones_together(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    strength = random.uniform(0.2, 3.0, PATIENTS)
    inputs = (strength[:, None, None, None] * random.normal(size=(PATIENTS, 64, 64, 64))).astype(
        np.float32
    )
    death = np.ceil(random.exponential(900 / strength**1.5))
    survival = Survival(np.minimum(death, 2000), death < 2000)
    store = FeatureStore(tmp_path)
    records = []
    for row in range(PATIENTS):
        center = CENTERS[row % 3]
        store.put_deep_input(StudyIdentity(center, f"p{row:02d}", f"s{row}", "c" * 64), inputs[row])
        day, dead = float(survival.days[row]), bool(survival.event[row])
        records.append(
            ClinicalRecord(
                f"p{row:02d}", center, 70.0, Sex.MALE, Histology.SQUAMOUS, "II", day, dead
            )
        )
    store.put_clinical(ClinicalTable(tuple(records), ()))
    bundles = []
    for squeeze_excitation in (True, False):
        weights = initial(squeeze_excitation=squeeze_excitation)
        table = pd.DataFrame(DeepFeatureExtractor(weights).extract(inputs), columns=DEEP_COLUMNS)
        settings = SelectionSettings(n_folds=3, n_lambdas=10, lambda_ratio=0.05)
        model = train_combined_model(
            table, survival, seed=1, blocks=("deep",), horizons=(365,), settings=settings
        )
        known = replace(bundle_facts(), training_center="A")
        folder = tmp_path / f"bundle-{squeeze_excitation}"
        bundles.append(load(folder, freeze(folder, model, weights, known)))
        direct = model.linear_predictor(table.iloc[1::3])
    settings_of = SimpleNamespace(extraction=lambda: SimpleNamespace(digest="s"))
    work = cast("Installation", SimpleNamespace(store=store, settings=settings_of))

    found = compare_on(work, (bundles[0], bundles[1]), list(CENTERS), {})
    assert [(one.cohort, one.score) for one in found] == [
        (label, score)
        for label in ("A (training centre)", "B", "C", TOGETHER)
        for score in (COMBINED, DEEP)
    ]
    assert [one.n for one in found] == [6, 6, 6, 6, 6, 6, 12, 12]
    assert found[0].models == ("3D-SE-ResNet", "3D-ResNet without SE")
    from validation_reports.statistics.discrimination import harrell_c

    assert found[2].concordances[1] == harrell_c(survival.subset(np.arange(1, PATIENTS, 3)), direct)
    with pytest.raises(FeatureMismatchError, match="Centre D has 0 eligible clinical records"):
        compare_on(work, (bundles[0], bundles[1]), ["D"], {})
    same = (bundles[0], replace(bundles[0], digest="another one"))
    assert names_of(same) == (
        f"Annulus test 1, {bundles[0].digest[:8]}",
        "Annulus test 1, another ",
    )


def with_radiomics(
    folder: Path, center: str, days: float = 1.0, stage: str | None = None
) -> tuple[Installation, tuple[FrozenBundle, FrozenBundle]]:
    """Two models of radiomics that centre A trained, and a centre with 30 patients."""
    random = np.random.default_rng(5)
    columns = [f"gtv:{name}" for name in FEATURE_NAMES[:12]]
    values = random.normal(size=(60, 12))
    death = np.ceil(random.exponential(600 * np.exp(-1.5 * values[:, 0])))
    model = train_combined_model(
        pd.DataFrame(values, columns=columns),
        Survival(np.minimum(death, 2000.0), death < 2000),
        seed=1, blocks=("gtv",), horizons=(365,),
    )  # fmt: skip
    store, records = FeatureStore(folder), []
    for row, vector in enumerate(random.normal(size=(30, len(FEATURE_NAMES)))):
        key = f"p{row:02d}"
        identity = StudyIdentity(center, key, f"s{row}", "c" * 64)
        store.put_radiomics(identity, {Region.GTV: FeatureVector(Region.GTV, vector, "s")})
        records.append(
            ClinicalRecord(
                key, center, 70.0, None, Histology.SQUAMOUS, stage, days * (40 * row + 40), row < 20
            )
        )
    store.put_clinical(ClinicalTable(tuple(records), ()))
    facts = SimpleNamespace(training_center="A", name="m", version="1")
    bundle = cast(
        "FrozenBundle",
        SimpleNamespace(
            model=model,
            facts=facts,
            network=None,
            digest="d",
            digests=None,
            evidence=SimpleNamespace(images=()),
        ),
    )
    settings_of = SimpleNamespace(extraction=lambda: SimpleNamespace(digest="s"))
    return cast("Installation", SimpleNamespace(store=store, settings=settings_of)), (
        bundle,
        bundle,
    )


def test_who_has_no_stage_is_compared_as_a_validation_takes_them(tmp_path: Path) -> None:
    work, bundles = with_radiomics(tmp_path / "external", "B")
    assert [one.n for one in compare_on(work, bundles, ["B"], {})] == [30]
    work, bundles = with_radiomics(tmp_path / "training", "A")
    with pytest.raises(FeatureMismatchError, match="Centre A has 0 eligible clinical records"):
        compare_on(work, bundles, ["A"], {})


def test_nothing_is_compared_on_times_that_are_no_days(tmp_path: Path) -> None:
    work, bundles = with_radiomics(tmp_path, "B", days=1 / 30.4375)
    with pytest.raises(ClinicalTableError, match="centre B cannot be used: The longest of 30"):
        compare_on(work, bundles, ["B"], {})


def test_who_trained_a_model_or_comes_twice_is_not_compared(tmp_path: Path) -> None:
    work, bundles = with_radiomics(tmp_path, "B")
    twin = StudyIdentity("C", "c1", "sc", "c" * 64)
    names = {
        StudyIdentity("A", "a1", "sa", "c" * 64): "trained",
        StudyIdentity("B", "p00", "s0", "c" * 64): "trained",
        StudyIdentity("B", "p01", "s1", "c" * 64): "twice",
        StudyIdentity("B", "p02", "s2", "c" * 64): "once",
        twin: "twice",
    }
    for identity, name in names.items():
        marks = tuple(f"{name}{number:02d}" for number in range(16))
        work.store.put_images(identity, ImageMarks(None, marks, marks))
    refused = not_to_compare_on(work, bundles, ["B", "C", "A"])
    assert refused == {
        "B": {"p00": Leak.IMAGES},
        "C": {"c1": "the same images are analysed at centre B as patient p01"},
    }
    assert [one.n for one in compare_on(work, bundles, ["B"], refused)] == [29]
    everybody = {"B": {f"p{row:02d}": "" for row in range(30)}}
    with pytest.raises(FeatureMismatchError, match="no patient with the features of both models"):
        compare_on(work, bundles, ["B"], everybody)
