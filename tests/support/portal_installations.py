"""An installation as the portal shows it: two centres, real files in the archive, scores, findings,
reports of each centre and of both, pages on the expectations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.center import Completeness, ReturnDestination
from dicom_node.registry.registry import StudyState
from feature_store.expectations.checks import Check, judged_codes
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.rules import Finding, Severity
from feature_store.score import ContourScores, ScoreRow
from feature_store.study_identity import StudyIdentity
from flows.data.check_expectations import write_expectation_pages
from flows.installation import Installation
from flows.notices.causes import OF_REGISTRY, registry_causes
from flows.settings import Settings
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze
from models.combined.combined_model import train_combined_model
from models.survival.survival_data import Survival
from tests.support.intake_bench import Bench, center
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from tests.support.synthetic_studies import without_gtv, write_study
from validation_reports.cohort.training_patients import TrainingPatients
from validation_reports.report.validation_report import build_report
from validation_reports.report_folder import write_report_files

NAME, PATIENT_ID = "Xylophonius^Quatermain", "QX-81723645"
"""Of the patient of every study: so odd that it is found wherever it stands."""
PASSWORD = "quite a long one"  # noqa: S105 - of users who are made up
MADE_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NO_GTV = Finding(
    Severity.CRITICAL,
    "no-gtv",
    "No ROI has the GTV's name, expected one. Name the contour and send the RTSTRUCT again.",
)


@dataclass(frozen=True)
class Shown:
    """What was built.

    Parameters
    ----------
    folder : Path
        With ``annulus.toml`` and the node's folder.
    work : Installation
        Opened on it.
    studies : mapping of str to str
        Pseudonyms by what became of the study: scored, quarantined, incomplete; other is of the
        other centre.
    uids : tuple of str
        Every UID of the files that were pushed.
    """

    folder: Path
    work: Installation
    studies: dict[str, str]
    uids: tuple[str, ...]


def build(folder: Path, more_settings: str = "") -> Shown:
    """Build the installation in a new folder; centres are called ``north`` and ``south``."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder / "node")
    north = center("north", completeness=Completeness.STRICT, return_to=_pacs())
    bench.registry.centers.record([north, center("south")])
    sent = {
        "scored": ("north", _files(folder / "scored", "scored")),
        "quarantined": ("north", without_gtv_in(folder / "quarantined")),
        "incomplete": ("north", _files(folder / "incomplete", "incomplete")[:-1]),
        "other": ("south", _files(folder / "other", "other")),
    }
    studies, uids = {}, set[str]()
    for what, (name, datasets) in sent.items():
        known = {study.study_key for study in bench.registry.studies.summaries()}
        bench.push(*datasets, center_name=name)
        (studies[what],) = {s.study_key for s in bench.registry.studies.summaries()} - known
        uids |= {str(one.SOPInstanceUID) for one in datasets}
        uids |= {str(one.StudyInstanceUID) for one in datasets}
        uids |= {str(one.SeriesInstanceUID) for one in datasets}
    bench.clock.advance(4000)
    bench.registry.studies.settle(north)
    settings = folder / "annulus.toml"
    settings.write_text(
        f"[node]\nfolder = '{bench.folder}'\nminimum_free_bytes = 0\n{more_settings}"
        "[center.north]\nae_titles = ['NORTH']\n[center.south]\nae_titles = ['SOUTH']\n"
    )
    digest = _bundle(folder / "bundle", Settings.load(settings))
    with settings.open("a") as file:
        file.write(f"[model]\nbundle = '{folder / 'bundle'}'\ndigest = '{digest}'\n")
    work = Installation(Settings.load(settings))
    _finish(work, bench, studies, digest)
    bench.registry.incidents.record("unknown-caller", "An AE is not known.", None, "STRANGER")
    bench.registry.incidents.record("low-disk", "The disk of south is full.", "south", "SOUTH")
    late = bench.clock.time + timedelta(hours=30)
    causes = list(registry_causes(bench.registry, work.settings.notify, late))
    bench.registry.notices.note(causes, OF_REGISTRY, {})
    bench.close()
    for names in (("north",), ("south",), ("north", "south")):
        write_report(work, names, digest)
    write_expectation_pages(work)
    return Shown(folder, work, studies, tuple(uids))


def write_report(
    work: Installation, centers: tuple[str, ...], digest: str, moment: datetime = MADE_AT
) -> str:
    """Write the report of made-up patients of some centres, whose scores are others than those of
    the training patients and grow with time; return its folder's name.
    """
    plain = [made_cohort(name, 80, seed) for seed, name in enumerate(centers)]
    order = np.argsort(np.argsort(plain[0].linear_predictor))
    table = pd.DataFrame(
        {
            "month": [f"{2023 + n // 40}-{n % 40 // 4 + 1:02d}" for n in order],
            "manufacturer": "Maker",
            "model_name": "one",
            "convolution_kernel": None,
            "kvp": 120.0,
            "slice_thickness_mm": 3.0,
        }
    )
    cohorts = [replace(one, acquisitions=table) for one in plain]
    scores = plain[0].linear_predictor + 1.5
    training = TrainingPatients(
        "elsewhere", scores, plain[0].covariates, pd.DataFrame(index=range(80))
    )
    asked = replace(
        PROVENANCE,
        model_digest=digest,
        created_at=moment,
        query=f'{{"centers": {list(centers)}}}'.replace("'", '"'),
    )
    report = build_report(cohorts, asked, horizons=(365, 730), n_resamples=20, training=training)
    name = f"{moment:%Y%m%dT%H%M%S%f}Z-{'-'.join(centers)}"
    write_report_files(work.settings.reports_folder() / name, report, cohorts, pdf=False)
    return name


def without_gtv_in(folder: Path) -> list[Dataset]:
    """Return a study of which no ROI has the GTV's name."""
    return [_named(dcmread(file)) for file in without_gtv(write_study(folder, f"{folder.name}-7"))]


def _pacs() -> ReturnDestination:
    return ReturnDestination("PACS", "127.0.0.1", 104)


def _files(folder: Path, which: str) -> list[Dataset]:
    return [_named(dcmread(file)) for file in write_study(folder, f"{which}-7")]


def _named(dataset: Dataset) -> Dataset:
    dataset.PatientName, dataset.PatientID = NAME, PATIENT_ID
    return dataset


def _bundle(folder: Path, settings: Settings) -> str:
    random = np.random.default_rng(5)
    values = random.normal(size=(40, 8))
    days = np.ceil(np.minimum(random.exponential(600 * np.exp(-values[:, 0])), 2000.0)) + 1
    model = train_combined_model(
        pd.DataFrame(values, columns=[f"gtv:{name}" for name in FEATURE_NAMES[:8]]),
        Survival(days, days < 2001),
        seed=1,
        blocks=("gtv",),
        horizons=(365, 730),
    )
    extraction = settings.extraction()
    facts = BundleFacts(
        name="test",
        version="1",
        intended_use="Made for tests.",
        demonstration=True,
        extraction_settings=extraction.to_json(),
        extraction_settings_digest=extraction.digest,
        training_center="elsewhere",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        software_version="test",
    )
    return freeze(folder, model, None, facts)


def _finish(work: Installation, bench: Bench, studies: dict[str, str], digest: str) -> None:
    """Record what became of the studies of the first centre, in registry and store."""
    outbox = bench.registry.outbox
    for what in ("scored", "quarantined", "other"):
        item = bench.claim()
        outbox.attach_flow_run(item.id, "worker", f"00000000-0000-0000-0000-{item.id:012d}")
        study = StudyIdentity(item.center, item.patient_key, item.study_key, item.content_digest)
        assert study.study_key == studies[what]
        if what == "other":
            outbox.hold(item.id, "worker", "No frozen model is pinned.", 60.0)
            continue
        found = (NO_GTV,) if what == "quarantined" else ()
        codes = dict.fromkeys([*judged_codes("study"), *(one.code for one in found)])
        now = bench.clock.time
        work.store.put_check(
            Check("study", item.center, study, tuple(codes), found, 1, now, "0.1.0")
        )
        if what == "quarantined":
            outbox.finish(
                study.study_key, study.content_digest, None, StudyState.QUARANTINED,
                NO_GTV.sentence, None,
            )  # fmt: skip
            continue
        work.store.put_score(
            ScoreRow(study, digest, 0.4321, True, {365: 0.71, 730: 0.52}, 1, (), "0.1.0", now)
        )
        work.store.put_contour_scores(
            ContourScores(
                study, digest, (0.1, *(0.4,) * 18, None), 0.4, 0.4, 1 / 19, 1.2, 10.0, 3.0,
                "0.1.0", now,
            )
        )  # fmt: skip
        values = np.random.default_rng(3).normal(size=len(FEATURE_NAMES))
        vector = FeatureVector(Region.GTV, values, work.settings.extraction().digest)
        work.store.put_radiomics(study, {Region.GTV: vector})
        report = bench.folder / "structured_reports" / "report.dcm"
        outbox.finish(
            study.study_key, study.content_digest, digest, StudyState.SCORED,
            "high risk, linear predictor +0.432", report,
        )  # fmt: skip
