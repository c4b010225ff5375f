"""What a score returns: each object that the centre takes, whole on the disk and the same every
time.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.center import ReturnedObject
from feature_store.radiomic_features.settings import FEATURE_NAMES
from flows.data.model_features import study_features
from flows.installation import Installation
from flows.settings import Settings
from flows.studies import returned_objects, steps
from flows.studies.scored import ModelAnswer, Scored
from models.combined.combined_model import train_combined_model
from models.combined.explanation import explain
from models.survival.survival_data import Survival
from tests.support import synthetic_studies as spoil
from tests.support.archived_studies import archive_study
from tests.support.training_cohorts import bundle_facts

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

check_and_load = inspect.unwrap(steps.check_and_load)
extract_features = inspect.unwrap(steps.extract_features)
write_returned = inspect.unwrap(returned_objects.write_returned)
SCORED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle() -> Any:
    """A model of a few features of GTV and ring, without a network."""
    random = np.random.default_rng(4)
    names = [f"{block}:{name}" for block in ("gtv", "ring_6mm") for name in FEATURE_NAMES[:8]]
    values = random.normal(size=(90, len(names)))
    days = np.ceil(random.exponential(900 / np.exp(values[:, 0] + values[:, 9])).clip(1, 2000))
    model = train_combined_model(
        pd.DataFrame(values, columns=names),
        Survival(days, days < 2000),
        seed=1,
        blocks=("gtv", "ring_6mm"),
        horizons=(365, 730),
    )
    return SimpleNamespace(model=model, facts=bundle_facts(), network=None, digest="cd" * 32)


def _installation(folder: Path, bundle: Any, center: str) -> Installation:
    (folder / "annulus.toml").write_text(
        f"[node]\nfolder = '{folder / 'node'}'\n[center.alpha]\nae_titles = ['ALPHA']\n{center}"
    )
    work = Installation(Settings.load(folder / "annulus.toml"))
    vars(work)["bundle"] = bundle
    return work


RETURN_TO = "[center.alpha.return_to]\nae_title = 'PACS'\nhost = '127.0.0.1'\nport = 104\n"


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("returned")
    files = spoil.write_study(folder / "study", "PATIENT-ID")
    return folder, archive_study(folder / "node", files, "alpha")


@pytest.fixture(scope="module")
def scored(archived: tuple[Path, str], bundle: Any) -> Iterator[Scored]:
    folder, study_key = archived
    work = _installation(folder, bundle, RETURN_TO)
    with disable_run_logger(), work.store.writing_beside() as store:
        run = steps.StudyRun(work, store, work.registry.outbox.files(study_key))
        checked = check_and_load(run)
        features, _ = extract_features(run, checked)
    table = pd.DataFrame([study_features(bundle, features)])
    (risk,), (parts,) = bundle.model.score(table), explain(bundle.model, table)
    answer = ModelAnswer(risk, parts, (), SCORED_AT)
    yield Scored(checked, features, answer, ("The tube voltage is missing.",))
    work.registry.close()


def _written(
    archived: tuple[Path, str], bundle: Any, scored: Scored, center: str
) -> dict[ReturnedObject, Path]:
    folder, study_key = archived
    work = _installation(folder, bundle, center)
    try:
        run = steps.StudyRun(work, work.store, work.registry.outbox.files(study_key))
        for path in (folder / "node" / "structured_reports").rglob("*.dcm"):
            path.unlink()
        with disable_run_logger():
            written: dict[ReturnedObject, Path] = write_returned(run, scored)
            return written
    finally:
        work.registry.close()


def test_every_object_is_written_once_and_the_report_names_the_segmentation(
    archived: tuple[Path, str], bundle: Any, scored: Scored
) -> None:
    written = _written(archived, bundle, scored, RETURN_TO)
    assert set(written) == set(ReturnedObject)
    before = {path: path.read_bytes() for path in written.values()}
    assert all(_written(archived, bundle, scored, RETURN_TO)[kind].exists() for kind in written)
    assert {path: path.read_bytes() for path in written.values()} == before
    report, regions = (dcmread(written[kind]) for kind in (ReturnedObject.SR, ReturnedObject.SEG))
    assert str(regions.SOPInstanceUID) in _referenced(report)
    assert report.StudyInstanceUID == regions.StudyInstanceUID
    assert report.PatientID == regions.PatientID == "PATIENT-ID"
    assert [item.SegmentLabel for item in regions.SegmentSequence] == [
        "GTV-1",
        "Ring of 6 mm around the GTV",
    ]


@pytest.mark.parametrize("center", ["returns = ['sr']\n" + RETURN_TO, ""])
def test_what_a_centre_does_not_take_is_not_made_and_not_named(
    archived: tuple[Path, str], bundle: Any, scored: Scored, center: str
) -> None:
    written = _written(archived, bundle, scored, center)
    assert set(written) == {ReturnedObject.SR}
    report = dcmread(written[ReturnedObject.SR])
    assert not any("66.4" in uid for uid in _referenced(report))


def test_a_ct_that_allows_no_segmentation_still_has_its_report_with_a_sentence(
    archived: tuple[Path, str], bundle: Any, scored: Scored
) -> None:
    ct = deepcopy(scored.checked.ct_datasets)
    for dataset in ct:
        del dataset.FrameOfReferenceUID
    without = replace(scored, checked=replace(scored.checked, ct_datasets=ct))
    written = _written(archived, bundle, without, RETURN_TO)
    assert set(written) == {ReturnedObject.SR, ReturnedObject.PDF}
    texts = [
        str(element.value)
        for element in dcmread(written[ReturnedObject.SR]).iterall()
        if element.keyword == "TextValue"
    ]
    (said,) = (one for one in texts if one.startswith("The regions that were measured"))
    assert "the headers of the CT do not allow a segmentation" in said


def _referenced(report: Dataset) -> set[str]:
    return {
        str(element.value)
        for element in report.iterall()
        if element.keyword in ("ReferencedSOPInstanceUID", "ReferencedSOPClassUID")
    }
