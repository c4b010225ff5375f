"""A report is made again from what it read, whatever was written and cleaned away since; a time
goes by what the commits say, not by the dates of files.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable
from prefect.logging import disable_run_logger

from dicom_node.registry.registry import StudyState
from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.tables import older_log, table_upkeep
from feature_store.tables.store import ScoreRow, StudyIdentity
from feature_store.tables.table_folder import TableFolder
from flows.data.compact_store import compact_store
from flows.data.model_features import training_patients
from flows.installation import Installation
from flows.named_versions import newest_named_versions, readable_named_versions
from flows.settings import Settings
from flows.validation.as_of import Arrivals, AsOf, arrivals_in, as_of, query_again, report_file
from flows.validation.cohort_query import CohortQuery
from flows.validation.validate import gather_cohort, provenance, write_report
from models.combined.combined_model import train_combined_model
from models.survival.survival_data import Survival
from tests.support.fresh_interpreter import printed_by
from tests.support.intake_bench import Bench
from validation_reports.cohort.assembly import NOT_ARRIVED, NOT_SCORED
from validation_reports.cohort.same_images import SameImages
from validation_reports.disclosure.what_leaves import Disclosure, what_leaves
from validation_reports.errors import CohortError, ReportNotWrittenError
from validation_reports.report.file_names import JSON_NAME
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
    from_json,
    to_json,
)
from validation_reports.report_folder import write_report_files

PATIENTS, DIGEST = 40, "ab" * 32
RANDOM = np.random.default_rng(5)
VALUES = RANDOM.normal(size=(PATIENTS, len(FEATURE_NAMES)))
DAYS = np.minimum(RANDOM.exponential(600 * np.exp(-VALUES[:, 0])), 2000.0) + 1
QUERY = CohortQuery(name="early", centers=["alpha"], horizons_days=[365, 730])


@pytest.fixture(scope="module")
def bundle() -> Any:
    names = [f"gtv:{name}" for name in FEATURE_NAMES[:8]]
    table = pd.DataFrame(VALUES[:, :8], columns=names)
    model = train_combined_model(
        table, Survival(DAYS, DAYS < 2001), seed=1, blocks=("gtv",), horizons=(365, 730)
    )
    return bundle_of(model)


def bundle_of(model: Any) -> Any:
    facts = SimpleNamespace(
        training_center="elsewhere",
        name="test",
        version="1",
        demonstration=True,
        made_elsewhere=False,
    )
    return SimpleNamespace(
        model=model, facts=facts, network=None, digest=DIGEST, applicability=None
    )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


@pytest.fixture
def work(bench: Bench, bundle: Any, tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{bench.folder}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
    )
    work = with_bundle(Installation(Settings.load(tmp_path / "annulus.toml")), bundle)
    yield work
    work.registry.close()


def with_bundle(work: Installation, bundle: Any) -> Installation:
    vars(work)["bundle"] = bundle
    return work


def identity(number: int) -> StudyIdentity:
    return StudyIdentity("alpha", f"p{number:03d}", f"s{number:03d}", f"c{number:03d}")


def fill(work: Installation, *, shift: float = 0.0, patients: int = PATIENTS) -> None:
    """Write outcomes and scores of some patients; another shift gives other ones."""
    records = tuple(
        ClinicalRecord(
            f"p{number:03d}",
            "alpha",
            60.0,
            Sex.MALE,
            Histology.SQUAMOUS,
            "IIIA",
            float(DAYS[number]) + 50 * shift,
            bool(DAYS[number] < 2001),
        )
        for number in range(patients)
    )
    work.store.put_clinical(ClinicalTable(records, ()))
    digest = work.settings.extraction().digest
    for number in range(0, patients, 4):
        work.store.put_radiomics(
            identity(number),
            {Region.GTV: FeatureVector(Region.GTV, VALUES[number] + shift, digest)},
        )
    for number in range(patients):
        predictor = float(VALUES[number, 0]) + shift * (-1) ** number
        work.store.put_score(
            ScoreRow(
                identity(number),
                DIGEST,
                predictor,
                predictor > 0,
                {365: 0.7, 730: 0.5},
                1,
                (),
                "0.1.0",
                datetime.now(UTC),
            )
        )


def report_of(work: Installation, query: CohortQuery, view: AsOf) -> ValidationReport:
    bundle = work.bundle
    work = with_bundle(work.reading(view.versions), bundle)
    with disable_run_logger():
        cohort = gather_cohort.fn(work, query, "alpha", SameImages(), view)
    report = build_report(
        [cohort], provenance(work, query), horizons=(365, 730), training=training_patients(work)
    )
    write_report_files(
        work.settings.reports_folder() / query.name,
        report,
        [cohort],
        whole_centers=query.takes_whole_centers,
    )
    return report


def numbers(report: ValidationReport) -> dict[str, Any]:
    content = json.loads(to_json(report))
    del content["provenance"]
    return dict(content)


@pytest.mark.slow
def test_a_report_is_made_again_after_new_outcomes_rescoring_compaction_and_clean_up(
    bench: Bench, work: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(work)
    bad = bench.complete()
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, DIGEST, StudyState.QUARANTINED, "A slice lacks.", None
    )
    work.store.put_clinical(
        ClinicalTable((ClinicalRecord("late", "alpha", 60.0, None, None, "IIIA", 100.0, True),), ())
    )
    first = report_of(work, QUERY, AsOf(work.store.versions()))
    assert "quarantined: A slice lacks." in {reason for reason, _ in first.centers[0].excluded}

    fill(work, shift=0.4)
    bench.registry.outbox.requeue(bad)
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, DIGEST, StudyState.SCORED, None, None
    )
    monkeypatch.setattr(table_upkeep, "_LEAST_HOURS", 0)
    compact_store(work.settings, keep_days=0)
    later = report_of(work, QUERY.model_copy(update={"name": "later"}), AsOf(work.store.versions()))
    assert numbers(later) != numbers(first)

    again = query_again(work.settings.reports_folder() / "early" / JSON_NAME)
    assert again.centers == ["alpha"]
    assert again.model_digest == DIGEST
    assert not again.takes_whole_centers  # patients' reports go on quoting the newest
    view = as_of(work, "early")
    repeated = report_of(work, again.model_copy(update={"name": "again"}), view)
    assert numbers(repeated) == numbers(first)

    # entries of the log were moved meanwhile, also those of what was named where nobody knew it
    for name, version in work.store.versions().items():
        folder = TableFolder(f"{work.settings.store_location()}/{name}")
        DeltaTable(folder.uri).create_checkpoint()
        monkeypatch.setattr(older_log, "KEPT", 0)
        older_log.move_older(folder, version, [])

    # on another machine: the store's folder and the report, and an empty registry; another process
    # with another home and zone, whose files are of other dates
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(work.settings.store_location(), elsewhere / "node" / "feature_store")
    shutil.copytree(work.settings.reports_folder() / "early", elsewhere / "early")
    (elsewhere / "annulus.toml").write_text(
        f"[node]\nfolder = '{elsewhere / 'node'}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
    )
    (elsewhere / "model.pickle").write_bytes(pickle.dumps(work.bundle.model))
    for path in (elsewhere, *elsewhere.rglob("*")):
        os.utime(path, (0, 0))
    places = ("HOME", "TMPDIR", "PREFECT_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    printed_by(
        f"from {__name__} import again; again({str(elsewhere)!r})",
        environment={
            **dict.fromkeys(places, str(elsewhere)),
            "TZ": "Asia/Kathmandu",
            "PYTHONHASHSEED": "7",
        },
        timeout_s=300,
    )
    assert json.loads((elsewhere / "numbers.json").read_text()) == numbers(first)


def again(place: str) -> None:
    """Make the report again that was copied to a folder, and write its numbers there."""
    elsewhere = Path(place)
    model = pickle.loads((elsewhere / "model.pickle").read_bytes())  # noqa: S301 - of this test
    work = with_bundle(Installation(Settings.load(elsewhere / "annulus.toml")), bundle_of(model))
    query = query_again(elsewhere / "early" / JSON_NAME)
    report = report_of(work, query, as_of(work, str(elsewhere / "early")))
    (elsewhere / "numbers.json").write_text(json.dumps(numbers(report)))
    work.registry.close()


def test_a_time_goes_by_the_commits_and_not_by_the_dates_of_files(work: Installation) -> None:
    fill(work, patients=2)
    versions = work.store.versions()
    time.sleep(0.01)
    then = datetime.now(UTC)
    time.sleep(0.01)
    fill(work, shift=1.0, patients=2)
    assert as_of(work, then.isoformat()) == AsOf(versions)
    for path in Path(work.settings.store_location()).rglob("*"):
        os.utime(path, (0, 0))
    assert as_of(work, then.isoformat()).versions == versions
    assert as_of(work, datetime.now(UTC).isoformat()).versions == work.store.versions()
    with pytest.raises(CohortError, match="nothing had been written"):
        as_of(work, (then - timedelta(days=1)).isoformat())
    with pytest.raises(CohortError, match="still to come"):
        as_of(work, "2100-01-01T00:00Z")


def test_what_is_neither_a_report_nor_a_time_is_a_sentence(
    work: Installation, tmp_path: Path
) -> None:
    assert report_file(work, "nothing") is None
    with pytest.raises(CohortError, match="neither a file that exists nor a time"):
        as_of(work, "nothing")
    with pytest.raises(CohortError, match="has no zone"):
        as_of(work, "2026-01-01")
    (tmp_path / JSON_NAME).write_text('{"provenance": {"store_versions": {"scores": 1}}}')
    with pytest.raises(CohortError, match="cannot be read as a report"):
        as_of(work, str(tmp_path))


@pytest.mark.slow
def test_of_a_report_that_the_disk_does_not_take_no_record_stays(
    work: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("validation_reports.report_folder.curves_csv", full)
    fill(work)
    with disable_run_logger():
        cohort = gather_cohort.fn(work, QUERY, "alpha", SameImages(), None)
        report = build_report([cohort], provenance(work, QUERY), horizons=(365, 730))
        leaving = what_leaves(report, [cohort], Disclosure(work.settings.validation.disclose))
        with pytest.raises(ReportNotWrittenError, match="No space left on device"):
            write_report.fn(work, QUERY, report, leaving)
    assert list(work.settings.reports_folder().iterdir()) == []
    assert list(work.settings.records_folder().iterdir()) == []


@pytest.mark.slow
def test_a_report_that_leaves_is_made_again_from_the_record_that_stays(
    work: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.validation.validate.show_report", lambda *_: None)
    monkeypatch.setattr("validation_reports.report_folder.write_pdf", lambda *_: None)
    fill(work)
    quarantined = AsOf(work.store.versions(), {"alpha": Arrivals({"gone": "A slice lacks."})})
    bundle = work.bundle
    with disable_run_logger():
        cohort = gather_cohort.fn(work, QUERY, "alpha", SameImages(), quarantined)
        report = build_report([cohort], provenance(work, QUERY), horizons=(365, 730))
        leaving = what_leaves(report, [cohort], Disclosure(work.settings.validation.disclose))
        folder = write_report.fn(work, QUERY, report, leaving)
    handed_over = (folder / JSON_NAME).read_text(encoding="utf-8")
    assert '"gone"' not in handed_over
    record = work.settings.records_folder() / f"{folder.name}.json"
    assert work.settings.reports_folder() not in record.parents
    assert from_json(record.read_text(encoding="utf-8")) == report
    # by its folder, by its name, and when it was handed over and deleted here
    assert report_file(work, str(folder)) == report_file(work, folder.name) == record
    view = as_of(work, folder.name)
    assert view.arrivals == quarantined.arrivals
    away = shutil.move(folder, tmp_path / "away")
    assert report_file(work, folder.name) == record
    assert newest_named_versions(work.settings) == report.provenance.store_versions
    (record.parent / "torn.json").write_text("{")
    assert readable_named_versions(work.settings) == [dict(report.provenance.store_versions)]
    assert as_of(work, folder.name) == view
    with_bundle(work, bundle)
    repeated = report_of(work, query_again(record), view)
    assert repeated.centers == report.centers
    # elsewhere there is no record
    with pytest.raises(CohortError, match="exact record"):
        as_of(work, str(away))


def test_the_reasons_of_a_report_say_again_who_had_arrived() -> None:
    said = arrivals_in(
        (
            ("quarantined: A slice lacks.", ("a", "b")),
            ("arrived, but not scored yet: the study is held", ("c",)),
            (NOT_SCORED, ("d",)),
            (NOT_ARRIVED, ("e",)),
        )
    )
    assert said.quarantined == {"a": "A slice lacks.", "b": "A slice lacks."}
    assert said.unfinished == {"c": "held", "d": "scored"}
