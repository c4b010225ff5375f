"""ComBat takes a centre's effect off, leaves the training centre alone and refuses what it cannot
know.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import COMBAT, MANIFEST, freeze, load, read_digest
from models.bundle.model_card import model_card
from models.bundle.records import to_record
from models.combined.combat import CombatReference, estimate_center_effect, fit_combat_reference
from models.combined.combined_model import CombinedModel
from models.errors import BundleError, CombatError, FeatureMismatchError, TrainingError
from models.survival.concordance import training_concordance
from tests.support.training_cohorts import Cohort, make_cohort


@pytest.fixture(scope="module")
def elsewhere(cohort: Cohort) -> tuple[Cohort, pd.DataFrame]:
    """Patients of another centre, and their features as its scanner shows them."""
    other = make_cohort(n=80, seed=11)
    random = np.random.default_rng(12)
    p = other.features.shape[1]
    sd = cohort.features.std().to_numpy()
    shown = other.features * np.exp(0.6 * random.normal(size=p)) + sd * random.normal(
        -2.0, 1.0, size=p
    )
    return other, shown


def test_the_effect_of_a_scanner_is_taken_off(
    cohort: Cohort, model: CombinedModel, elsewhere: tuple[Cohort, pd.DataFrame]
) -> None:
    other, shown = elsewhere
    aligned = estimate_center_effect(fit_combat_reference(cohort.features), shown).remove(shown)
    means = [model.linear_predictor(table).mean() for table in (other.features, shown, aligned)]
    print("mean linear predictor: " + ", ".join(f"{value:+.2f}" for value in means))
    assert abs(means[1]) > 0.5
    assert abs(means[2]) < 0.1
    concordances = [
        training_concordance(other.survival, model.linear_predictor(table)).estimate
        for table in (other.features, shown, aligned)
    ]
    print(
        "C without scanner, with it, aligned: "
        + ", ".join(f"{value:.3f}" for value in concordances)
    )
    assert abs(concordances[2] - concordances[0]) < 0.02


def test_each_feature_borrows_strength_from_its_block(
    cohort: Cohort, elsewhere: tuple[Cohort, pd.DataFrame]
) -> None:
    _, shown = elsewhere
    reference = fit_combat_reference(cohort.features)
    effect = estimate_center_effect(reference, shown)
    z = (shown.to_numpy() - reference.means) / reference.sds
    for rows in (slice(0, 30), slice(30, 60)):
        assert np.ptp(effect.scale[rows]) < np.ptp(z.var(axis=0, ddof=1)[rows])
        assert np.ptp(effect.location[rows]) < np.ptp(z.mean(axis=0)[rows])
    only_gtv = estimate_center_effect(fit_combat_reference(cohort.features.iloc[:, :30]), shown)
    np.testing.assert_array_equal(only_gtv.location, effect.location[:30])


def test_patients_of_the_training_centre_are_where_they_were(cohort: Cohort) -> None:
    effect = estimate_center_effect(fit_combat_reference(cohort.features), cohort.features)
    np.testing.assert_allclose(effect.location, 0, atol=1e-9)
    np.testing.assert_allclose(
        effect.scale, 1, rtol=0.01
    )  # ddof = 1 of the centre over ddof = 0 of the reference


def test_what_does_not_vary_stays(cohort: Cohort, elsewhere: tuple[Cohort, pd.DataFrame]) -> None:
    training = cohort.features.assign(**{"gtv:same": 3.0})
    shown = elsewhere[1].assign(**{"gtv:same": 4.0, "gtv:003": 7.0, "clinical:age": 60.0})
    effect = estimate_center_effect(fit_combat_reference(training), shown)
    assert effect.unchanged == ("gtv:003",)
    aligned = effect.remove(shown)
    assert list(aligned.columns) == list(shown.columns)
    for column in ("gtv:same", "gtv:003", "clinical:age"):
        assert (aligned[column] == shown[column]).all()


def test_a_centre_that_cannot_be_aligned_is_refused(
    cohort: Cohort, elsewhere: tuple[Cohort, pd.DataFrame]
) -> None:
    _, shown = elsewhere
    reference = fit_combat_reference(cohort.features)
    with pytest.raises(CombatError, match=r"at least 20 patients of a centre .* found 19"):
        estimate_center_effect(reference, shown.iloc[:19])
    with pytest.raises(
        CombatError, match="two features of block gtv that vary in the centre, found 1"
    ):
        estimate_center_effect(fit_combat_reference(cohort.features[["gtv:000"]]), shown)
    with pytest.raises(CombatError, match="block gtv have the same variance"):
        estimate_center_effect(
            CombatReference(("gtv:0", "gtv:1"), np.zeros(2), np.ones(2), 9),
            pd.DataFrame({"gtv:0": np.arange(30.0), "gtv:1": np.arange(30.0)}),
        )
    with pytest.raises(FeatureMismatchError, match="absent"):
        estimate_center_effect(reference, shown.drop(columns="gtv:004"))
    with pytest.raises(FeatureMismatchError, match="missing or infinite"):
        estimate_center_effect(reference, shown.assign(**{"gtv:004": np.nan}))
    with pytest.raises(TrainingError, match="standard deviation"):
        CombatReference(("gtv:0",), np.zeros(1), np.zeros(1), 9)


def test_the_bundle_names_it_and_changes_no_byte_without_it(
    tmp_path: Path, cohort: Cohort, model: CombinedModel, facts: BundleFacts
) -> None:
    reference = fit_combat_reference(cohort.features)
    without = load(tmp_path / "without", freeze(tmp_path / "without", model, None, facts))
    bundle = load(
        tmp_path / "with", freeze(tmp_path / "with", model, None, facts, combat=reference)
    )
    assert without.combat is None
    assert not (tmp_path / "without" / COMBAT).exists()
    assert COMBAT not in json.loads((tmp_path / "without" / MANIFEST).read_text())["files"]
    assert bundle.digest != without.digest
    assert bundle.combat is not None
    assert to_record(bundle.combat) == to_record(reference)
    assert bundle.model.score(cohort.features) == without.model.score(cohort.features)
    said = [
        next(line for line in model_card(one) if "harmonisation" in line)
        for one in (without, bundle)
    ]
    assert "none" in said[0]
    assert "60 features of the 120 training patients by ComBat" in said[1]

    (tmp_path / "with" / COMBAT).write_bytes(
        (tmp_path / "with" / COMBAT).read_bytes().replace(b"120", b"121")
    )
    with pytest.raises(BundleError, match=r"combat\.json .* was changed after freezing"):
        load(tmp_path / "with", read_digest(tmp_path / "with"))
