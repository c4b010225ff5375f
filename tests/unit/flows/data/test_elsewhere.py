"""A bundle reads features that were made elsewhere only where they were made as its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.feature_tables.origin_settings import OriginSettings
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import ExtractionSettings
from flows.data.elsewhere import (
    imported_matrix,
    one_way_made,
    refuse_measuring,
    refuse_unlike,
    said_with_score,
    settings_of,
)
from models.bundle.frozen_bundle import FrozenBundle, freeze, load
from models.combined.combined_model import train_combined_model
from models.errors import FeatureMismatchError
from tests.support.training_cohorts import bundle_facts, make_cohort
from tests.unit.feature_store.feature_tables.test_origin_settings import THERE

COHORT = make_cohort(blocks=("gtv", "deep"))
NARROW = OriginSettings({**THERE.values, "bin_width": "10"})
OPEN = OriginSettings({**THERE.values, "bin_width": "unknown"})


def frozen(
    folder: Path, settings: OriginSettings | ExtractionSettings, *blocks: str
) -> FrozenBundle:
    model = train_combined_model(COHORT.features, COHORT.survival, seed=1, blocks=blocks)
    facts = replace(
        bundle_facts(),
        extraction_settings=settings.to_json(),
        extraction_settings_digest=settings.digest,
    )
    return load(folder, freeze(folder, model, None, facts))


def test_a_model_trained_on_tables_reads_such_tables_and_no_image(tmp_path: Path) -> None:
    bundle = frozen(tmp_path / "bundle", THERE, "gtv")
    assert settings_of(bundle.facts) == THERE
    with pytest.raises(FeatureMismatchError, match="no image can be scored by it"):
        refuse_measuring(bundle)
    refuse_unlike(bundle, THERE)
    (said,) = said_with_score(bundle, THERE)
    assert said.startswith("The features were made elsewhere (PyRadiomics 3.0.1) and imported")
    with pytest.raises(FeatureMismatchError, match="bin_width is 10, expected 25"):
        refuse_unlike(bundle, NARROW)
    refuse_unlike(bundle, OPEN)
    assert (
        "Nobody says of these features, or of the model's, bin_width"
        in said_with_score(bundle, OPEN)[1]
    )


def test_a_model_trained_on_images_reads_tables_that_were_made_alike(tmp_path: Path) -> None:
    bundle = frozen(tmp_path / "bundle", ExtractionSettings(), "gtv")
    refuse_measuring(bundle)
    refuse_unlike(bundle, THERE)
    with pytest.raises(FeatureMismatchError, match="bin_width is 10, expected 25"):
        refuse_unlike(bundle, NARROW)


def test_features_of_two_kinds_or_none_are_no_cohort() -> None:
    def of(patient: str, settings: OriginSettings, *names: str) -> ImportedFeatures:
        return ImportedFeatures("A", patient, settings, {Region.GTV: dict.fromkeys(names, 1.0)})

    alike = [of("p2", THERE, "a", "b"), of("p1", THERE, "a")]
    assert one_way_made("A", alike) == THERE
    matrix = imported_matrix(alike)
    assert list(matrix.index) == ["p1", "p2"]
    assert matrix["gtv:b"].isna().tolist() == [True, False]
    assert imported_matrix([]).empty
    for patients, how in (([*alike, of("p3", NARROW, "a")], "in 2 ways"), ([], "in no ways")):
        with pytest.raises(FeatureMismatchError, match=how):
            one_way_made("A", patients)
