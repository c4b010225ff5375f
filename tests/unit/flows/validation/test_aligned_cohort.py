"""ComBat at the validation of a cohort: only when asked for, from the cohort's own features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dicom_node.settings import SettingsError
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.tables.store import FeatureStore, StudyIdentity
from flows.__main__ import _parser
from flows.data.model_features import with_model_inputs
from flows.installation import Installation
from flows.settings import CombatTable
from flows.validation.aligned_cohort import with_aligned_features
from models.combined.combat import CombatReference, fit_combat_reference
from models.combined.combined_model import train_combined_model
from models.errors import CombatError
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort

TRAINING, EXTERNAL, COLUMNS = 60, 25, 12


def opened(
    folder: Path,
    table: pd.DataFrame,
    survival: Survival,
    *,
    enabled: bool,
    reference: CombatReference | None,
) -> Installation:
    model = train_combined_model(
        table, survival, seed=1, blocks=("gtv",), horizons=(365, 730, 1095)
    )
    facts = SimpleNamespace(training_center="A", name="m", made_elsewhere=False)
    settings = SimpleNamespace(
        extraction=lambda: SimpleNamespace(digest="s"),
        combat=CombatTable(enabled=enabled, minimum_patients=20),
    )
    bundle = SimpleNamespace(
        model=model, facts=facts, network=None, combat=reference, applicability=None
    )
    return cast(
        "Installation",
        SimpleNamespace(store=FeatureStore(folder), bundle=bundle, settings=settings),
    )


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Installation]:
    """A model, and a centre B whose scanner adds two standard deviations to every feature."""
    random = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("store")
    values = random.normal(size=(TRAINING, COLUMNS))
    death = random.exponential(600 * np.exp(-1.5 * values[:, 0]))
    table = pd.DataFrame(values, columns=[f"gtv:{name}" for name in FEATURE_NAMES[:COLUMNS]])
    store = FeatureStore(folder)
    for row, vector in enumerate(random.normal(size=(EXTERNAL, len(FEATURE_NAMES)))):
        identity = StudyIdentity("B", f"b{row:04d}", f"s{row}", f"c{row}")
        store.put_radiomics(identity, {Region.GTV: FeatureVector(Region.GTV, 2 + vector, "s")})
    survival = Survival(np.minimum(death, 2000.0) + 1, death < 2000)
    reference = fit_combat_reference(table)
    return {
        "on": opened(folder, table, survival, enabled=True, reference=reference),
        "off": opened(folder, table, survival, enabled=False, reference=reference),
        "without": opened(folder, table, survival, enabled=True, reference=None),
    }


def test_a_cohort_is_scored_again_whatever_its_outcomes(works: dict[str, Installation]) -> None:
    work = works["on"]
    cohort = with_model_inputs(work, made_cohort("B", EXTERNAL, 1))
    aligned = with_aligned_features(work, cohort)
    assert cohort.features is not None
    assert aligned.features is not None
    assert cohort.features.to_numpy().mean() > 1.5
    assert abs(aligned.features.to_numpy().mean()) < 0.2
    risks = work.bundle.model.score(aligned.features)
    assert aligned.linear_predictor.tolist() == [risk.linear_predictor for risk in risks]
    assert aligned.high_risk.tolist() == [risk.high_risk for risk in risks]
    assert set(aligned.predicted_survival) == set(cohort.predicted_survival)
    assert [
        said for said in aligned.warnings if "these are not the scores that were returned" in said
    ]

    days = cohort.survival.days
    permuted = replace(cohort, survival=Survival(days[::-1], ~cohort.survival.event))
    assert (
        with_aligned_features(work, permuted).linear_predictor.tolist()
        == aligned.linear_predictor.tolist()
    )


def test_an_aligned_cohort_is_looked_at_on_any_day_that_the_model_knows(
    works: dict[str, Installation],
) -> None:
    work = works["on"]
    cohort = with_model_inputs(work, made_cohort("B", EXTERNAL, 1))
    asked = replace(
        cohort, predicted_survival={365: np.full(EXTERNAL, 0.5), 500: np.zeros(EXTERNAL)}
    )
    aligned = with_aligned_features(work, asked)
    assert aligned.features is not None
    of_model = [risk.survival[365] for risk in work.bundle.model.score(aligned.features)]
    assert aligned.predicted_survival[365].tolist() == of_model
    expected = work.bundle.model.baseline.survival(500, aligned.linear_predictor)
    assert aligned.predicted_survival[500].tolist() == expected.tolist()
    assert (aligned.predicted_survival[500] <= aligned.predicted_survival[365]).all()


def test_whom_the_model_knows_is_told_by_what_they_are_scored_on(
    works: dict[str, Installation],
) -> None:
    def inside(table: pd.DataFrame) -> NDArray[np.bool_]:
        return np.asarray(
            table[list(works["on"].bundle.model.features)].to_numpy().mean(axis=1) < 1.0
        )

    bundle = SimpleNamespace(
        **{**vars(works["on"].bundle), "applicability": SimpleNamespace(inside=inside)}
    )
    work = cast("Installation", SimpleNamespace(**{**vars(works["on"]), "bundle": bundle}))
    cohort = with_model_inputs(work, made_cohort("B", EXTERNAL, 1))
    aligned = with_aligned_features(work, cohort)
    assert cohort.in_range is not None
    assert aligned.in_range is not None
    assert aligned.features is not None
    assert cohort.in_range.sum() < EXTERNAL / 2 < aligned.in_range.sum()
    assert aligned.in_range.tolist() == inside(aligned.features).tolist()


def test_what_is_not_there_is_a_sentence(works: dict[str, Installation]) -> None:
    cohort = made_cohort("B", EXTERNAL, 1)
    with pytest.raises(
        SettingsError, match=r"switched off: set enabled = true in the \[combat\] table"
    ):
        with_aligned_features(works["off"], cohort)
    with pytest.raises(CombatError, match="The bundle of m holds no ComBat reference: train it"):
        with_aligned_features(works["without"], cohort)
    with pytest.raises(
        CombatError, match=r"Centre B: ComBat needs at least 20 patients of a centre .* found 19"
    ):
        with_aligned_features(works["on"], made_cohort("B", 19, 1))
    with pytest.raises(CombatError, match="no features by these settings of 1 of 26 patients"):
        with_aligned_features(works["on"], made_cohort("B", EXTERNAL + 1, 1))


def test_it_is_asked_for_by_name() -> None:
    assert _parser().parse_args(["validate", "B"]).combat is False
    assert _parser().parse_args(["validate", "B", "--combat"]).combat is True
