"""The feature store: idempotent writes, several processes at once, versions that stay readable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, astuple, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.imaging.reading import read_ct
from feature_store.imaging.regions import Region
from feature_store.imaging.tissues import TissueShares
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.rules import Finding, Severity
from feature_store.score import ContourScores
from feature_store.tables.columns import STUDY, TISSUE_COLUMNS
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import KeyedTable
from feature_store.tables.query import Contents, StoreQuery, ask
from feature_store.tables.rows import AcquisitionRecord, acquisition_record
from feature_store.tables.store import FeatureStore, ScoreRow, StudyIdentity
from tests.support.dicom_files import write_ct
from tests.support.feature_stores import KVP, check

REGIONS = (Region.GTV, Region.RING_6MM)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def identity(number: int = 1, center: str = "A", content: str = "c1") -> StudyIdentity:
    return StudyIdentity(center, f"patient{number:02d}", f"study{number:02d}", content)


def vectors(seed: int, settings: str = "s") -> dict[Region, FeatureVector]:
    rng = np.random.default_rng(seed)
    return {
        region: FeatureVector(region, rng.normal(size=len(FEATURE_NAMES)), settings)
        for region in REGIONS
    }


def score(number: int = 1, **changes: object) -> ScoreRow:
    row = ScoreRow(
        identity(number), "m", 0.25, True, {730: 0.5, 365: 0.75}, 3, ("one", "two"), "0.1.0", NOON
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def record(key: str = "patient01", center: str = "A", days: float = 100.0) -> ClinicalRecord:
    return ClinicalRecord(key, center, None, Sex.FEMALE, Histology.SQUAMOUS, "IIIA", days, False)


@pytest.fixture
def store(location: str) -> FeatureStore:
    return FeatureStore(location)


def over_contours(number: int = 1, **changes: object) -> ContourScores:
    row = ContourScores(
        identity(number), "m", (0.5, None, -0.25), None, None, None, 1.2, 10.0, 3.0, "0.1.0", NOON
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_an_empty_store_answers_with_nothing(store: FeatureStore) -> None:
    assert store.versions() == {}
    assert not store.clinical("A")
    assert not store.scores("m", None)
    assert not store.checks(None)
    assert store.clinical_record("A", "p") is None
    assert store.score("s", "c", "m") is None
    studies, inputs = store.deep_inputs("A")
    assert not studies
    assert inputs.shape == (0, 64, 64, 64)
    assert inputs.dtype == np.dtype(np.float32)
    features = store.features("A", REGIONS, "s", "n")
    assert features.shape == (0, 2 * 1316 + 512)


def test_radiomic_features_come_back_bit_for_bit(store: FeatureStore) -> None:
    written = vectors(1)
    store.put_radiomics(identity(), written)
    (read,) = store.features("A", REGIONS, "s").to_numpy()
    np.testing.assert_array_equal(read, np.concatenate([one.values for one in written.values()]))
    assert store.features("A", REGIONS, "other settings").empty
    assert store.features("B", REGIONS, "s").empty


def test_what_the_regions_hold_is_kept_beside_their_features(store: FeatureStore) -> None:
    store.put_radiomics(identity(1), vectors(1))  # as an earlier release did
    assert store.tissues("A").empty
    shares = {
        Region.GTV: TissueShares(0.0, 0.9, 0.1, 0.0),
        Region.RING_6MM: TissueShares(0.6, 0.3, 0.05, 0.05),
    }
    store.put_radiomics(identity(1), vectors(1), shares)
    store.put_radiomics(identity(2), vectors(2), shares)
    found = store.tissues("A").set_index(["study_key", "region"])
    assert len(found) == 4
    for study in (identity(1), identity(2)):
        for region, held in shares.items():
            row = found.loc[(study.study_key, str(region)), list(TISSUE_COLUMNS)]
            assert tuple(row) == astuple(held)
    store.put_acquisition(identity(1), AcquisitionRecord(None, "SIEMENS", None, None, 120, 3))
    table = store.acquisitions("A")
    assert table["ring_6mm:lung_share"].tolist() == [0.6]
    assert table["gtv:bone_share"].tolist() == [0.1]


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.put_radiomics(identity(), vectors(1)),
        lambda store: store.put_deep_input(identity(), np.ones((64, 64, 64), np.float32)),
        lambda store: store.put_deep(identity(), np.arange(512.0), "n"),
        lambda store: store.put_clinical(ClinicalTable((record(), record("patient02")), ())),
        lambda store: store.put_score(score()),
        lambda store: store.put_contour_scores(over_contours()),
        lambda store: store.put_check(check("study", identity(), KVP)),
    ],
)
def test_a_repeated_write_makes_neither_row_nor_version(
    store: FeatureStore, write: Callable[[FeatureStore], None], location: str
) -> None:
    write(store)
    before = store.versions()
    ((table, _),) = before.items()
    rows = DeltaTable(f"{location}/{table}").to_pyarrow_table().num_rows
    write(store)
    assert store.versions() == before
    assert DeltaTable(f"{location}/{table}").to_pyarrow_table().num_rows == rows


def test_a_changed_row_replaces_the_one_with_its_key(store: FeatureStore) -> None:
    store.put_clinical(
        ClinicalTable((record(days=100), record("patient02"), record(center="B")), ())
    )
    store.put_clinical(ClinicalTable((record(days=200),), ()))
    assert [(row.center, row.patient_key, row.survival_days) for row in store.clinical(None)] == [
        ("A", "patient01", 200.0),
        ("A", "patient02", 100.0),
        ("B", "patient01", 100.0),
    ]
    assert store.clinical("A") == (record(days=200), record("patient02"))
    assert store.clinical_record("B", "patient01") == record(center="B")
    assert store.clinical_record("A", "patient02") == record("patient02")
    assert store.clinical_record("A", "patient03") is None


def test_scores_over_contours_come_back_by_content_and_a_store_of_before_has_none(
    store: FeatureStore,
) -> None:
    store.put_score(score())
    before = store.versions()
    rows = [
        over_contours(),
        over_contours(2, p10=-0.5, p90=0.1 + 0.2, other_group=0.25),
        over_contours(1, model_digest="other"),
    ]
    for row in rows:
        store.put_contour_scores(row)
    assert store.contour_scores("m", "A") == {row.identity: row for row in rows[:2]}
    assert store.contour_scores("m", "B") == {}
    assert store.contour_scores("other", None) == {rows[2].identity: rows[2]}
    assert store.pinned(before).contour_scores("m", "A") == {}
    again = over_contours(p10=0.0, p90=1.0, other_group=0.0)
    store.put_contour_scores(again)
    assert store.contour_scores("m", "A")[identity(1)] == again


def test_a_person_is_taken_out_of_the_scores_over_contours_too(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.put_contour_scores(over_contours())
    store.put_contour_scores(over_contours(2))
    gone = identity()
    assert store.rows_of([gone.patient_key], [gone.study_key]) == {"certainty": 1}
    store.take_out([gone.patient_key], [gone.study_key])
    assert list(store.contour_scores("m", "A")) == [identity(2)]
    assert not any(
        gone.patient_key.encode() in path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    )
    assert store.defects() == ()


def test_scores_over_contours_are_finite_and_their_time_has_a_zone() -> None:
    for wrong in ({"p10": float("nan")}, {"linear_predictors": (0.0, float("inf"))}):
        with pytest.raises(ValueError, match="expected a finite number"):
            over_contours(**wrong)
    with pytest.raises(ValueError, match="no zone"):
        over_contours(computed_at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_scores_come_back_as_they_were(store: FeatureStore) -> None:
    rows = [
        score(1),
        score(2, warnings=(), survival={}, engine="openvino 2026.4.1"),
        score(1, model_digest="other", linear_predictor=-3.0),
    ]
    for row in rows:
        store.put_score(row)
    assert store.scores("m", "A") == (rows[0], rows[1])
    assert store.scores("m", "B") == ()
    assert store.score("study01", "c1", "other") == rows[2]
    assert store.score("study01", "c1", "other", rows[2].identity.center) == rows[2]
    assert store.score("study01", "c1", "other", "Z") is None
    assert list(rows[0].survival) == [365, 730]


def test_of_an_acquisition_the_month_is_kept_and_not_the_day(
    store: FeatureStore, tmp_path: Path
) -> None:
    assert store.acquisitions("A").empty
    records = []
    for date in (None, "", "20211331", "yesterday", "20210905"):

        def dated(_z: int, dataset: Dataset, date: str | None = date) -> None:
            with disable_value_validation():
                dataset.AcquisitionDate = date

        paths = write_ct(tmp_path / f"ct-{date}", np.zeros((1, 4, 4), dtype=np.int16), spoil=dated)
        records.append(acquisition_record(read_ct(paths).headers.acquisition))
    assert [record.month for record in records] == [
        "2020-01",
        "2020-01",
        "2020-01",
        "2020-01",
        "2021-09",
    ]
    record = records[-1]
    for content in ("c1", "c2"):
        store.put_acquisition(
            identity(content=content), replace(record, kvp=100.0 if content == "c1" else 120.0)
        )
    store.put_acquisition(identity(2), AcquisitionRecord(None, None, None, None, None, None))
    table = store.acquisitions("A")
    assert list(table.index) == ["patient01", "patient02"]
    assert list(table["month"]) == ["2021-09", None]
    assert list(table["kvp"]) == [120.0, None]
    assert not any(
        "20210905" in path.read_text(errors="ignore")
        for path in tmp_path.joinpath("store").rglob("*.json")
    )


def test_a_check_replaces_the_one_of_its_suite_and_content(store: FeatureStore) -> None:
    regions = check("regions", identity(), Finding(Severity.WARNING, "ring-cut", "cut"))
    other = check("study", identity(content="c2"), KVP)
    cohort = replace(check("cohort", None, center="A"), model_digest="m", n=7)
    clinical = check("clinical", None, center="A")
    for one in (check("study", identity(), KVP), regions, other, cohort, clinical):
        store.put_check(one)
    again = replace(check("study", identity()), checked_at=NOON + timedelta(1))
    store.put_check(again)
    assert store.checks("A") == (clinical, cohort, regions, again, other)
    assert store.checks("A", identity()) == (regions, again)
    assert store.checks("B") == ()


def findings_of_before(location: str, *rows: dict[str, str]) -> None:
    """Write the table of findings as releases did that kept them beside files of records."""
    KeyedTable(
        f"{location}/findings",
        (*STUDY, "code"),
        pa.schema([(name, pa.string()) for name in (*STUDY, "code", "severity", "sentence")]),
    ).upsert([{**asdict(identity()), **row} for row in rows])


def test_findings_of_a_store_of_before_are_read_until_a_check_is_about_their_content(
    store: FeatureStore, location: str
) -> None:
    findings_of_before(
        location,
        {"code": "gtv-name", "severity": "critical", "sentence": "No ROI is the GTV."},
        {"code": "ring-cut", "severity": "warning", "sentence": "The CT ends."},
        {"code": "of-old", "severity": "warning", "sentence": "What no rule says any more."},
    )
    regions, study = store.checks("A")
    assert (regions.suite, study.suite, study.study) == ("regions", "study", identity())
    assert study.findings == (
        Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV."),
        Finding(Severity.WARNING, "of-old", "What no rule says any more."),
    )
    assert (study.codes, study.software_version) == (("gtv-name", "of-old"), "")
    assert store.checks(None, identity()) == (regions, study)
    assert ask(store, StoreQuery(Contents.FINDINGS))["code"].tolist() == [
        "ring-cut",
        "gtv-name",
        "of-old",
    ]
    store.put_check(check("study", identity(), KVP))
    assert store.checks("A") == (check("study", identity(), KVP),)
    before = store.pinned({"findings": 1})
    assert before.checks("A") == (regions, study)


def test_matrix_has_named_columns_and_the_newest_complete_content_of_each_patient(
    store: FeatureStore,
) -> None:
    for number, content, seed in ((2, "c1", 1), (1, "zzz", 2), (1, "aaa", 3)):
        store.put_radiomics(identity(number, content=content), vectors(seed))
        store.put_deep(identity(number, content=content), np.full(512, float(seed)), "n")
    store.put_radiomics(identity(1, content="ring missing"), {Region.GTV: vectors(9)[Region.GTV]})
    store.put_deep(identity(1, content="ring missing"), np.zeros(512), "n")
    store.put_radiomics(identity(3), vectors(4))  # no deep features
    store.put_radiomics(identity(4, "B"), vectors(5))
    store.put_deep(identity(4, "B"), np.zeros(512), "n")
    features = store.features("A", REGIONS, "s", "n")
    assert features.index.tolist() == ["patient01", "patient02"]
    assert features.index.name == "patient_key"
    assert features.columns[0] == f"gtv:{FEATURE_NAMES[0]}"
    assert features.columns[1316] == f"ring_6mm:{FEATURE_NAMES[0]}"
    assert features.columns[-1] == "deep:511"
    expected = vectors(3)
    np.testing.assert_array_equal(features.iloc[0, :1316], expected[Region.GTV].values)
    np.testing.assert_array_equal(features.iloc[0, 1316:2632], expected[Region.RING_6MM].values)
    assert set(features.iloc[0, 2632:]) == {3.0}
    assert store.features("A", REGIONS, "s").index.tolist() == [
        "patient01",
        "patient02",
        "patient03",
    ]
    assert store.features(None, [Region.GTV], "s", "n").index.tolist() == [
        "patient01",
        "patient02",
        "patient04",
    ]
    assert store.features("A", REGIONS, "other settings").empty
    with pytest.raises(ValueError, match="No features are asked for"):
        store.features("A", [], "s")


def test_deep_inputs_come_back_in_the_order_of_patients(store: FeatureStore) -> None:
    rng = np.random.default_rng(3)
    inputs = {number: rng.normal(size=(64, 64, 64)).astype(np.float32) for number in (3, 1)}
    for number, voxels in inputs.items():
        store.put_deep_input(identity(number), voxels)
    studies, read = store.deep_inputs("A")
    assert studies == (identity(1), identity(3))
    np.testing.assert_array_equal(read, np.stack([inputs[1], inputs[3]]))


def test_a_pinned_store_stays_at_its_versions_even_after_compaction(store: FeatureStore) -> None:
    store.put_score(score(1))
    pinned = store.pinned()
    for number in range(2, 6):
        store.put_score(score(number))
    store.put_clinical(ClinicalTable((record(),), ()))
    store.compact()
    assert pinned.versions() == {"scores": 1}
    assert pinned.scores("m", None) == (score(1),)
    assert pinned.clinical(None) == ()
    assert len(store.scores("m", None)) == 5
    again = FeatureStore(store._location, versions={"scores": 3})
    assert len(again.scores("m", None)) == 3
    with pytest.raises(StoreError, match="pinned to versions"):
        pinned.put_score(score(9))
    with pytest.raises(StoreError, match="has no version 99 yet: ask for one from 0 to 6"):
        store.pinned({"scores": 99}).scores("m", None)


def test_compaction_joins_files_and_keeps_rows(store: FeatureStore, location: str) -> None:
    for number in range(8):
        store.put_score(score(number))
    before = store.scores("m", None)
    store.compact()
    assert len(DeltaTable(f"{location}/scores").file_uris()) == 1
    assert store.scores("m", None) == before


def test_a_damaged_table_is_a_sentence(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    store.put_score(score())
    log = tmp_path / "store" / "scores" / "_delta_log"
    for file in log.glob("*.json"):
        file.write_text("{ not json")
    with pytest.raises(StoreError, match=r"scores has 0 missing and 2 unreadable entries"):
        store.scores("m", None)


def test_what_cannot_be_right_is_refused(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        score(linear_predictor=float("nan"))
    with pytest.raises(ValueError, match=r"Survival at 365 days is 1\.5: expected a probability"):
        score(survival={365: 1.5})
    with pytest.raises(ValueError, match="timezone-aware"):
        score(scored_at=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="lacks content_digest"):
        identity(content="")
    with pytest.raises(ValueError, match="expected \\(512,\\)"):
        store.put_deep(identity(), np.full(512, np.nan), "n")
    with pytest.raises(ValueError, match="expected \\(64, 64, 64\\)"):
        store.put_deep_input(identity(), np.zeros((64, 64), np.float32))


def test_a_study_that_is_written_beside_its_computing_is_one_version_of_each_table(
    tmp_path: Path,
) -> None:
    store = FeatureStore(tmp_path / "store")
    for number in (1, 2):
        study = identity(number)
        with store.writing_beside() as beside:
            for suite in ("study", "contours", "voxels", "regions"):
                beside.put_check(check(suite, study))
            beside.put_check(check("study", study, KVP))  # in place of the first
            beside.put_score(score(number))
        assert store.versions() == {"checks": number, "scores": number}
        suites = {one.suite: one.findings for one in store.checks(None, study)}
        assert suites == {"study": (KVP,), "contours": (), "voxels": (), "regions": ()}


def test_the_checks_of_a_study_can_be_written_before_it_ends(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    with store.writing_beside() as beside:
        beside.put_check(check("study", identity(1)))
        beside.put_check(check("regions", identity(1)))
        beside.write_checks()
        beside.write_checks()
        while "checks" not in store.versions():
            time.sleep(0.01)
        beside.put_check(check("voxels", identity(1)))
    assert store.versions() == {"checks": 2}
    assert [one.suite for one in store.checks(None)] == ["regions", "study", "voxels"]
