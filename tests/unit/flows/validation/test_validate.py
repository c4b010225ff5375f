"""A centre's cohort as the flow gathers it: each patient once, none that trained the model, and no
table whose times cannot be days.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from prefect.logging import disable_run_logger

from dicom_node.center import Role
from feature_store.clinical_records import (
    ClinicalRecord,
    ClinicalTable,
    ClinicalTableError,
    Histology,
    Sex,
)
from feature_store.imaging.image_marks import ImageMarks
from feature_store.tables.rows import AcquisitionRecord
from feature_store.tables.store import FeatureStore, ScoreRow, StudyIdentity
from flows.installation import Installation
from flows.validation.cohort_query import CohortQuery
from flows.validation.validate import (
    find_same_images,
    gather_cohort,
    refuse_training_centers,
)
from models.bundle.training_digests import training_digests
from models.survival.baseline_hazard import BaselineHazard
from validation_reports.cohort.assembly import FIRST_CT
from validation_reports.cohort.same_images import SameImages
from validation_reports.cohort.scored_cohort import ScoredCohort, pool
from validation_reports.cohort.trained_on import Leak
from validation_reports.errors import CohortError

DIGEST = "d" * 64
SCAN = AcquisitionRecord("2020-03", "SIEMENS", None, None, 120.0, 3.0)
N = 12
LAST_DAY = 4000.0
BASELINE = BaselineHazard(
    np.arange(1.0, LAST_DAY + 1), np.arange(1.0, LAST_DAY + 1) * np.log(2) / 600, LAST_DAY
)


def study(center: str, number: int, ct: str = "one") -> StudyIdentity:
    return StudyIdentity(center, f"{center.lower()}{number:02d}", f"s{center}{number}{ct}", ct)


def put(
    store: FeatureStore, identity: StudyIdentity, image: str, *, acquired_s: int, risk: float
) -> None:
    """Keep what scoring a study keeps; `image` says whose images they are."""
    store.put_acquisition(identity, SCAN)
    digests = tuple(f"{image}-{number}" for number in range(16))
    store.put_images(identity, ImageMarks(acquired_s, digests, digests))
    store.put_score(
        ScoreRow(
            identity,
            DIGEST,
            risk,
            risk > 0,
            {365: 0.6},
            1,
            (),
            "test",
            datetime(2026, 1, 2, tzinfo=UTC),
        )
    )


def records(center: str, unit_days: float = 1.0) -> list[ClinicalRecord]:
    return [
        ClinicalRecord(
            study(center, number).patient_key,
            center,
            66.0,
            Sex.MALE if number else None,
            Histology.SQUAMOUS,
            "IIIA" if number > 1 else None,
            (120.0 + 110.0 * number) / unit_days,
            number % 3 != 0,
        )
        for number in range(N)
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two external centres and the training centre; nobody is anywhere twice."""
    folder = tmp_path_factory.mktemp("filled") / "store"
    store = FeatureStore(folder)
    for center in ("B", "C"):
        for number in range(N):
            put(
                store,
                study(center, number),
                f"{center}{number}",
                acquired_s=5_000_000,
                risk=number / 10,
            )
        store.put_clinical(ClinicalTable(tuple(records(center)), ()))
    store.put_images(study("T", 0), ImageMarks(1, ("trained",), ("trained",)))
    return folder


@pytest.fixture
def work(tmp_path: Path, filled: Path) -> Installation:
    """An installation with a copy of that store."""
    store = FeatureStore(shutil.copytree(filled, tmp_path / "store"))
    centers = [
        SimpleNamespace(name=name, role=Role.TRAINING if name == "T" else Role.EXTERNAL)
        for name in ("B", "C", "T")
    ]
    model = SimpleNamespace(
        horizons=(365,), baseline=BASELINE, blocks=(), features=(), signature_values=None
    )
    bundle = SimpleNamespace(
        digest=DIGEST,
        model=model,
        network=None,
        facts=SimpleNamespace(training_center="T", made_elsewhere=False),
        evidence=SimpleNamespace(images=()),
        digests=None,
    )
    settings = SimpleNamespace(
        centers=lambda: centers, extraction=lambda: SimpleNamespace(digest="s")
    )
    registry = SimpleNamespace(studies=SimpleNamespace(summaries=lambda _center: []))
    return cast(
        "Installation",
        SimpleNamespace(
            store=store,
            bundle=bundle,
            settings=settings,
            registry=registry,
            center=lambda name: next(one for one in centers if one.name == name),
        ),
    )


def gathered(work: Installation, *centers: str) -> list[ScoredCohort]:
    images = find_same_images(work, list(centers))
    query = CohortQuery(centers=list(centers))
    with disable_run_logger():
        return [gather_cohort.fn(work, query, center, images[center]) for center in centers]


@pytest.fixture(autouse=True)
def without_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """No features are in this store, and a model without blocks reads none."""
    monkeypatch.setattr("flows.validation.validate.with_model_inputs", lambda _work, cohort: cohort)


def test_everybody_is_analysed_also_without_sex_or_stage(work: Installation) -> None:
    for cohort in gathered(work, "B", "C"):
        assert (cohort.n, cohort.excluded) == (N, ())
        assert not cohort.warnings
    assert find_same_images(work, ["B"]) == {"B": SameImages()}


def test_a_patient_in_two_centres_is_pooled_once_and_named(work: Installation) -> None:
    put(work.store, study("C", 3), "B5", acquired_s=9, risk=0.3)
    b, c = gathered(work, "B", "C")
    assert dict(c.excluded) == {"c03": "the same images are analysed at centre B as patient b05"}
    assert pool([b, c], "both").n == 2 * N - 1
    (alone,) = gathered(work, "C")
    assert alone.n == N
    assert alone.warnings == {"the same images are at centre B too": 1}


def test_a_training_patient_is_refused(work: Installation) -> None:
    work.store.put_images(study("B", 4), ImageMarks(1, ("renamed",), ("trained",)))
    (cohort,) = gathered(work, "B")
    assert dict(cohort.excluded) == {"b04": Leak.IMAGES}
    with pytest.raises(CohortError, match="Centre T is a training centre, expected external ones"):
        refuse_training_centers(work, ["B", "T"])
    refuse_training_centers(work, ["B", "C"])


def test_a_patient_of_a_training_elsewhere_is_refused_by_the_bundle_alone(
    work: Installation,
) -> None:
    """Under other UIDs with the same pixels, under the same UIDs, and as the same person."""
    for number, mark in enumerate(
        (
            ImageMarks(1, ("new",), ("far",)),
            ImageMarks(1, ("far uid",), ("new",)),
            ImageMarks(1, ("new",), ("newer",), ("far person",)),
        )
    ):
        work.store.put_images(study("B", number), mark)
    cast("SimpleNamespace", work.bundle).digests = training_digests(
        [("far",)], [("far uid",)], ["far person"]
    )
    (cohort,) = gathered(work, "B")
    assert dict(cohort.excluded) == {"b00": Leak.IMAGES, "b01": Leak.IMAGES, "b02": Leak.PERSON}


def test_a_second_planning_ct_counts_neither_before_nor_after_it_is_scored_again(
    work: Installation,
) -> None:
    second = study("B", 6, "two")
    put(work.store, second, "B6 later", acquired_s=5_000_000 + 30 * 86400, risk=-3.0)
    for _ in range(2):
        (cohort,) = gathered(work, "B")
        place = cohort.patient_keys.index("b06")
        assert cohort.linear_predictor[place] == 0.6
        assert cohort.studies[place] == study("B", 6)
        assert cohort.warnings == {FIRST_CT: 1}
        put(work.store, study("B", 6), "B6", acquired_s=5_000_000, risk=0.6)
        put(work.store, second, "B6 later", acquired_s=5_000_000 + 30 * 86400, risk=-3.0)


def test_months_that_an_earlier_release_kept_are_refused(work: Installation) -> None:
    months = [replace(one, survival_days=one.survival_days / 30.4375) for one in records("B")]
    work.store.put_clinical(ClinicalTable(tuple(months), ()))
    with pytest.raises(
        ClinicalTableError,
        match=r"centre B cannot be used: The longest of 12 survival times is 43\.6961 days",
    ):
        gathered(work, "B")
