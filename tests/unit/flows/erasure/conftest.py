"""A small whole installation of 24 patients: studies in the archive, scores and outcomes, a trained
bundle, a named report, reports to deliver, tables, pages, logs; one of the patients withdraws.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger
from pydicom.dataset import Dataset

from dicom_node.center import Center, ReturnDestination
from dicom_node.errors import ConflictingContentError
from dicom_node.pseudonym import image_key, patient_key
from dicom_node.registry.registry import StudyState
from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.imaging.image_marks import ImageMarks
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.tables.store import ScoreRow, StudyIdentity
from flows.erasure.erase import Erasure, erasure_in
from flows.installation import Installation
from flows.settings import Settings
from flows.validation.as_of import AsOf
from flows.validation.cohort_query import CohortQuery
from flows.validation.validate import gather_cohort, provenance
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze, load
from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import train_combined_model
from models.survival.survival_data import Survival
from tests.support.dicom_datasets import dataset_of, save
from tests.support.intake_bench import KEY, Bench, center, ct_slice, rtstruct
from validation_reports.cohort.same_images import SameImages
from validation_reports.report.validation_report import build_report
from validation_reports.report_folder import write_report_files

PATIENTS, ARRIVED = 24, 3
WHO = 2
"""Withdraws; the patient before is left out of the report, and both arrived as files."""
SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"
UID = "1.2.826.0.1.3680043.10.7777.{}"
_RANDOM = np.random.default_rng(5)
_VALUES = _RANDOM.normal(size=(PATIENTS, len(FEATURE_NAMES)))
_DAYS = np.minimum(_RANDOM.exponential(600 * np.exp(-_VALUES[:, 0])), 2000.0) + 1


def patient_id(number: int) -> str:
    return f"SYN-B-{number:03d}"


def key_of(number: int) -> str:
    return patient_key(KEY, "alpha", patient_id(number))


def slices_of(number: int) -> list[Dataset]:
    """Return a small study with UIDs of its own."""
    study = UID.format(number)
    ct = [
        ct_slice(
            index,
            study=study,
            series=f"{study}.1",
            frame=f"{study}.7",
            patient=patient_id(number),
        )
        for index in range(3)
    ]
    listed = [str(one.SOPInstanceUID) for one in ct]
    return [
        *ct,
        rtstruct(
            listed, study=study, sop=f"{study}.9.1", frame=f"{study}.7", patient=patient_id(number)
        ),
    ]


@dataclass
class Hospital:
    """The installation, and how it is opened anew."""

    folder: Path
    bench: Bench
    work: Installation

    @property
    def at(self) -> Erasure:
        return erasure_in(self.work, KEY)

    def reopen(self) -> None:
        """Open it as after a start."""
        self.work.registry.close()
        self.bench = Bench(self.bench.folder, self.bench.clock)
        self.bench.intake.reindex()
        self.work = Installation(Settings.load(self.folder / "annulus.toml"))

    def close(self) -> None:
        """Stop it, as before an erasure."""
        self.bench.close()
        self.work.registry.close()


def _bundle(work: Installation, folder: Path) -> str:
    names = [f"gtv:{name}" for name in FEATURE_NAMES[:8]]
    model = train_combined_model(
        pd.DataFrame(_VALUES[:, :8], columns=names),
        Survival(_DAYS, _DAYS < 2001),
        seed=1,
        blocks=("gtv",),
        horizons=(365, 730),
    )
    extraction = work.settings.extraction()
    facts = BundleFacts(
        name="test",
        version="1",
        intended_use="Made for tests.",
        demonstration=True,
        extraction_settings=extraction.to_json(),
        extraction_settings_digest=extraction.digest,
        training_center="alpha",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        software_version="test",
        store_versions=work.store.versions(),
    )
    folder.parent.mkdir()
    return freeze(folder, model, None, facts, TrainingEvidence(images=(("pixels 2",),)))


def _fill(work: Installation, studies: dict[int, StudyIdentity], digest: str, shift: float) -> None:
    for number, study in studies.items():
        predictor = float(_VALUES[number, 0]) + shift * (-1) ** number
        if number != WHO - 1:
            work.store.put_score(
                ScoreRow(
                    study, digest, predictor, predictor > 0, {365: 0.7, 730: 0.5}, 1, (), "0.1.0",
                    datetime.now(UTC),
                )
            )  # fmt: skip
    work.store.put_clinical(
        ClinicalTable(
            tuple(
                ClinicalRecord(
                    key_of(number),
                    "alpha",
                    60.0,
                    Sex.MALE,
                    Histology.SQUAMOUS,
                    "IIIA",
                    float(_DAYS[number]) + shift,
                    bool(_DAYS[number] < 2001),
                )
                for number in range(PATIENTS)
            ),
            (),
        )
    )


def _report(work: Installation, name: str) -> None:
    query = CohortQuery(name=name, centers=["alpha"], horizons_days=[365, 730])
    with disable_run_logger():
        cohort = gather_cohort.fn(work, query, "alpha", SameImages(), AsOf(work.store.versions()))
    report = build_report([cohort], provenance(work, query), horizons=(365, 730), n_resamples=20)
    write_report_files(work.settings.reports_folder() / name, report, [cohort], pdf=True)


def _deliver(hospital: Hospital, study: StudyIdentity, number: int) -> None:
    """Write the report of a score, and queue it."""
    path = hospital.bench.folder / "structured_reports" / "alpha" / study.study_key / "0-0.dcm"
    path.parent.mkdir(parents=True)
    dataset = dataset_of(
        SR_CLASS, f"{UID.format(number)}.88", UID.format(number), patient=patient_id(number)
    )
    save(dataset, path)
    hospital.bench.registry.outbox.finish(
        study.study_key,
        study.content_digest,
        hospital.work.settings.model.digest,
        StudyState.SCORED,
        "high risk, linear predictor +0.400",
        path,
    )


def alpha() -> Center:
    return center(return_to=ReturnDestination("PACS", "127.0.0.1", 104))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installation as each test begins with it; it is built once, as reports take seconds."""
    base = tmp_path_factory.mktemp("hospital")
    here = base / "here"
    here.mkdir()
    _build(here).close()
    shutil.copytree(here, base / "built")
    return base


@pytest.fixture
def hospital(built: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hospital]:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", KEY.decode())
    here = built / "here"
    shutil.rmtree(here)
    shutil.copytree(built / "built", here)
    found = Hospital(here, Bench(here / "node"), Installation(Settings.load(here / "annulus.toml")))
    yield found
    found.close()


def _build(folder: Path) -> Hospital:
    bench = Bench(folder / "node")
    settings = folder / "annulus.toml"
    settings.write_text(f"[node]\nfolder = '{bench.folder}'\n[center.alpha]\nae_titles = ['A']\n")
    work = Installation(Settings.load(settings))
    bench.registry.centers.record([alpha()])
    studies = {
        number: StudyIdentity(
            "alpha", key_of(number), f"study{number:03d}".ljust(16, "x"), "c" * 64
        )
        for number in range(PATIENTS)
    }
    for number in range(WHO - 1, WHO - 1 + ARRIVED):
        bench.push(*slices_of(number))
        item = bench.claim()
        studies[number] = StudyIdentity(
            "alpha", item.patient_key, item.study_key, item.content_digest
        )
        work.store.put_radiomics(
            studies[number],
            {
                Region.GTV: FeatureVector(
                    Region.GTV, _VALUES[number], work.settings.extraction().digest
                )
            },
        )
        keys = tuple(image_key(KEY, str(one.SOPInstanceUID)) for one in slices_of(number)[:3])
        work.store.put_images(studies[number], ImageMarks(1, keys, (f"pixels {number}",)))
    _fill(work, studies, "0" * 64, 0.3)  # another model, another table of outcomes
    digest = _bundle(work, folder / "bundles" / "one")
    settings.write_text(
        f"{settings.read_text()}[model]\nbundle = '{folder / 'bundles' / 'one'}'\n"
        f"digest = '{digest}'\n"
    )
    work = Installation(Settings.load(settings))
    assert load(folder / "bundles" / "one", digest).facts.training_center == "alpha"
    _fill(work, studies, digest, 0.0)
    found = Hospital(folder, bench, work)
    _report(work, "early")
    for number in (WHO, WHO + 1):
        _deliver(found, studies[number], number)
    changed = slices_of(WHO)[0]
    changed.PatientName = "Other^Name"
    with pytest.raises(ConflictingContentError):
        bench.push(changed)
    _texts(found, studies[WHO])
    return found


def _texts(hospital: Hospital, study: StudyIdentity) -> None:
    """Write what else speaks of the person."""
    home = hospital.bench.folder
    files = {
        "clinical_drop/alpha/imported/20260101T000000-b.csv": table(),
        "clinical_drop/alpha/refused/20260101T000000-b.csv": table().replace(",", ";"),
        "system/annulus.log": f"node     stored study={study.study_key}\nnode     ready\n",
        "system/annulus.log.1": f"flows    {study.patient_key} scored\n",
        "expectation_pages/alpha.html": f"<code>{study.patient_key}</code>",
        "expectation_pages/index.html": "<p>All centres</p>",
        "system/notes.json": json.dumps({"ready": True}),
    }
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def table() -> str:
    """Return the centre's clinical table, in which a cell of one row goes over two lines."""
    rows = "".join(
        f'{patient_id(number)},60,male,squamous,IIIA,{_DAYS[number]:.0f},1,"a ""{number}""\nb"\n'
        for number in range(PATIENTS)
    )
    return f"patient_id,age,sex,histology,stage,survival_days,event,remark\n{rows}"
