"""Questions to the feature store: flat answers, exact numbers, and a sentence for what is not
there.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.imaging.regions import Region
from feature_store.imaging.tissues import TissueShares
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.score import ContourScores
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.query import Contents, StoreQuery, ask
from feature_store.tables.store import FeatureStore
from tests.support.feature_stores import MODEL_ONE, MODEL_TWO, NOON, filled_store, identity, vector
from tests.unit.feature_store.feature_tables.test_origin_settings import THERE


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return filled_store(tmp_path_factory.mktemp("store"))


def test_features_are_one_row_per_study_with_every_region_it_has(store: FeatureStore) -> None:
    frame = ask(store, StoreQuery(Contents.FEATURES))
    assert frame[["center", "patient_key"]].to_numpy().tolist() == [
        ["B", "b01"],
        ["B", "b02"],
        ["C", "c01"],
    ]
    names = [f"{region}:{name}" for region in ("gtv", "ring_6mm") for name in FEATURE_NAMES]
    assert [
        name for name in map(str, frame) if ":" in name and not name.startswith("deep")
    ] == names
    np.testing.assert_array_equal(frame[names[:1316]].to_numpy()[0], vector(Region.GTV, 1).values)
    assert frame[names[1316:]].iloc[2].isna().all()
    assert frame.loc[0, "deep:511"] == 511.0
    assert frame["deep:000"].isna().tolist() == [False, True, True]
    assert str(frame["written_at"].dt.tz) == "UTC"
    assert ask(store, StoreQuery(Contents.FEATURES, centers=("C",))).shape == (1, 5 + 1316)
    assert ask(store, StoreQuery(Contents.FEATURES, regions=("deep",))).shape == (1, 5 + 512)


def test_scores_have_a_column_for_each_horizon_and_can_be_chosen_by_model(
    store: FeatureStore,
) -> None:
    frame = ask(store, StoreQuery(Contents.SCORES))
    assert frame["model_digest"].tolist() == [MODEL_ONE, MODEL_TWO]
    one = ask(store, StoreQuery(Contents.SCORES, model=MODEL_ONE[:8])).iloc[0]
    assert (one["linear_predictor"], one["survival_365"], one["survival_730"]) == (
        0.1 + 0.2,
        0.75,
        0.5,
    )
    assert "row_digest" not in frame


def test_certainty_is_one_row_per_score(store: FeatureStore) -> None:
    row = ContourScores(
        identity("B", 1), MODEL_ONE, (0.1, None), 0.1, 0.2, 0.0, 1.2, 10, 3, "0.1.0", NOON
    )
    store.put_contour_scores(row)
    found = ask(store, StoreQuery(Contents.CERTAINTY, ("B",), model=MODEL_ONE[:6], newest=True))
    assert found[["p10", "p90", "other_group"]].to_numpy().tolist() == [[0.1, 0.2, 0.0]]


def test_tissues_are_one_row_of_a_region(store: FeatureStore) -> None:
    shares = {Region.RING_6MM: TissueShares(0.5, 0.25, 0.125, 0.125)}
    store.put_radiomics(identity("B", 1), {Region.RING_6MM: vector(Region.RING_6MM, 1)}, shares)
    frame = ask(store, StoreQuery(Contents.TISSUES, ("B",), regions=("ring_6mm",)))
    assert "features" not in frame
    names = ["patient_key", "lung_share", "soft_tissue_share", "bone_share", "outside_share"]
    assert frame[names].iloc[0].tolist() == ["b01", 0.5, 0.25, 0.125, 0.125]
    assert frame[names[1:]].iloc[1].isna().all()
    by_settings = StoreQuery(Contents.TISSUES, settings=frame["settings_digest"].iloc[0][:8])
    assert len(ask(store, by_settings)) == 5


def test_findings_are_one_row_each_and_name_their_suite(store: FeatureStore) -> None:
    frame = ask(store, StoreQuery(Contents.FINDINGS))
    assert frame[["patient_key", "suite", "code", "severity"]].to_numpy().tolist() == [
        ["b02", "study", "kvp", "warning"]
    ]
    assert frame["sentence"].tolist() == ["The tube voltage is 140 kV."]
    with pytest.raises(StoreError, match=r"checks has no rows of centre X .*: it has B\."):
        ask(store, StoreQuery(Contents.FINDINGS, ("B", "X")))


def test_an_answer_as_of_a_version_or_a_time_is_the_one_of_then(store: FeatureStore) -> None:
    then, versions = datetime.now(UTC), store.versions()
    store.put_radiomics(identity("B", 1, "c2"), {Region.GTV: vector(Region.GTV, 7)})
    assert store.versions_at(then) == versions
    assert store.versions_at(datetime(2020, 1, 1, tzinfo=UTC)) == {}
    gtv = StoreQuery(Contents.FEATURES, centers=("B",), regions=("gtv",))
    assert len(ask(store.pinned(versions), gtv)) == 2
    assert len(ask(store, gtv)) == 3
    newest = ask(
        store, StoreQuery(Contents.FEATURES, centers=("B",), regions=("gtv",), newest=True)
    )
    assert newest["content_digest"].tolist() == ["c2", "c1"]
    with pytest.raises(
        StoreError, match=r"The table scores has no version 99 yet: ask for one from 0 to 2\."
    ):
        ask(store.pinned({"scores": 99}), StoreQuery(Contents.SCORES))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            StoreQuery(Contents.CLINICAL, ("X",)),
            r"clinical has no rows of centre X at this version: it has B\.",
        ),
        (
            StoreQuery(Contents.SCORES, model="abcdef"),
            r"nothing by a model digest 'abcdef' .* it has 111111111111, 22",
        ),
        (
            StoreQuery(Contents.FEATURES, regions=("ring_9mm",)),
            r"no features of ring_9mm .* it has gtv, ring_6mm",
        ),
        (
            StoreQuery(Contents.FEATURES, settings="abcdef"),
            r"nothing by a settings digest 'abcdef'",
        ),
        (
            StoreQuery(Contents.FEATURES, ("C",), ("deep",)),
            r"The table deep has no rows of centre C",
        ),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    store: FeatureStore, query: StoreQuery, sentence: str
) -> None:
    with pytest.raises(StoreError, match=sentence):
        ask(store, query)


def test_features_by_two_settings_are_never_mixed(store: FeatureStore) -> None:
    versions = store.versions()
    store.put_radiomics(identity("B", 1), {Region.GTV: vector(Region.GTV, 1, "77" * 32)})
    with pytest.raises(
        StoreError, match=r"2 settings digests fit: choose one of 5e5e5e5e5e5e, 777777777777 with"
    ):
        ask(store, StoreQuery(Contents.FEATURES, ("B",), ("gtv",)))
    assert len(ask(store.pinned(versions), StoreQuery(Contents.FEATURES, ("B",), ("gtv",)))) >= 2


def test_filters_that_do_not_fit_are_a_sentence() -> None:
    with pytest.raises(ValueError, match="model chooses among certainty and scores only"):
        StoreQuery(Contents.CLINICAL, model="abcdef")
    with pytest.raises(
        ValueError, match="newest chooses among certainty, features and scores only"
    ):
        StoreQuery(Contents.FINDINGS, newest=True)
    with pytest.raises(ValueError, match="no region 'ring'"):
        StoreQuery(Contents.FEATURES, regions=("ring",))
    with pytest.raises(ValueError, match="'11' is too short for a digest"):
        StoreQuery(Contents.SCORES, model="11")


@pytest.mark.parametrize("contents", list(Contents))
def test_an_empty_store_answers_with_no_rows(
    contents: Contents, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert ask(FeatureStore(tmp_path_factory.mktemp("empty")), StoreQuery(contents)).empty


def test_imported_features_are_one_row_of_a_patient_that_says_where_they_come_from(
    store: FeatureStore,
) -> None:
    with pytest.raises(StoreError, match="imported_features has no rows of centre B"):
        ask(store, StoreQuery(Contents.IMPORTED, ("B",)))
    assert ask(store, StoreQuery(Contents.IMPORTED)).empty
    one = ImportedFeatures("B", "table patient", THERE, {Region.GTV: {"original_glcm_Id": 0.5}})
    store.put_imported([one])
    (row,) = ask(store, StoreQuery(Contents.IMPORTED, ("B",))).to_dict("records")
    assert (row["origin"], row["gtv:original_glcm_Id"]) == ("PyRadiomics 3.0.1", 0.5)
    assert row["settings"] == THERE.to_json()
    assert row["study_key"] == "table-table patient"
