"""How long the portal takes for a page: ``make bench-portal``.

A registry with 10 000 studies of 100 instances in four centres (``ARGS="--studies 1000"`` for
fewer), a feature store with score, findings and radiomics of each, 400 reports' main numbers. Every
page is asked for several times, by who may see all centres and by who may see one; what is told is
the server's time by the clock and of the processor, without network and browser. The pictures of
slices are not among them: they are made when somebody looks first. No model is pinned, so that the
explanation is not more than its reason. It ends with an error if the median of a page is above 300
ms.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
from sqlalchemy import create_engine, insert

from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.registry.registry import StudyState, open_registry
from dicom_node.registry.schema import deliveries, instances, outbox, results, studies
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.study_identity import StudyIdentity
from feature_store.tables.rows import row_of_check, row_of_score
from feature_store.tables.store import ScoreRow
from flows.installation import Installation
from flows.portal.app import Portal
from flows.portal.users import User, hashed, write_users
from flows.settings import Settings
from tests.support.asgi_browser import AsgiBrowser
from tests.support.feature_stores import KVP, check
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.report.file_names import PAGE_NAME
from validation_reports.report.latest_performance import write_center_performances
from validation_reports.report.validation_report import build_report

CENTERS = ("A", "B", "C", "D")
SLICES = 100
REPORTS = 400
LONGEST_MS = 300.0
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
STATES = [StudyState.SCORED] * 7 + [StudyState.QUARANTINED, StudyState.HELD, StudyState.INCOMPLETE]
PASSWORD = "of a benchmark"  # noqa: S105 - of users who are made up


def main() -> int:
    """Build, measure, and print a line for each page; 1 if one takes too long."""
    parser = argparse.ArgumentParser(description="Server time of the portal's pages")
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = _build(Path(folder), options.studies)
        found = {
            name: _measured(work, name, options.studies, options.repeats) for name in ("all", "one")
        }
        work.registry.close()
    slowest = 0.0
    for name, pages in found.items():
        for page, times in pages.items():
            clock, cpu = median(time for time, _ in times), median(time for _, time in times)
            most = max(time for time, _ in times)
            slowest = max(slowest, clock)
            print(f"{name:>4} {page:<24} median {clock:6.1f} ms, most {most:6.1f}, CPU {cpu:6.1f}")
    print(json.dumps({"studies": options.studies, "slowest_median_ms": round(slowest, 1)}))
    return 1 if slowest > LONGEST_MS else 0


def _key(kind: str, number: int) -> str:
    digits = np.base_repr(number + 1, 32).lower().rjust(15, "0")
    return kind + "".join("abcdefghijklmnopqrstuvwxyz234567"[int(one, 32)] for one in digits)


def _measured(
    work: Installation, name: str, n: int, repeats: int
) -> dict[str, list[tuple[float, float]]]:
    browser = AsgiBrowser(Portal(work).application())
    form = {"name": name, "password": PASSWORD, "after": "/"}
    assert browser.post("/login", data=form).status_code == 303
    study = _key("s", n // 2 // 40 * 40 + 11)  # scored, of the second centre
    pages = {
        "start": "/",
        "worklist": "/worklist",
        "worklist, last page": f"/worklist?page={n // 200}",
        "worklist, undelivered": "/worklist?undelivered=1",
        "worklist, two states": "/worklist?state=held&state=quarantined&order=waiting",
        "worklist, by patient": f"/worklist?pseudonym={_key('p', n // 2)[:14]}",
        "study": f"/studies/{study}",
        "explanation": f"/studies/{study}/explanation",
        "centre": "/centers/B",
        "reports": "/reports/",
        "report": f"/reports/{_report_id(0)}/",
    }
    found: dict[str, list[tuple[float, float]]] = {}
    for page, path in pages.items():
        for _ in range(repeats):
            start, start_cpu = time.perf_counter(), time.process_time()
            answer = browser.get(path)
            found.setdefault(page, []).append(
                (1000 * (time.perf_counter() - start), 1000 * (time.process_time() - start_cpu))
            )
            assert answer.status_code == 200, (path, answer.status_code)
    return found


def _build(folder: Path, n: int) -> Installation:
    settings = folder / "annulus.toml"
    tables = "".join(f"[center.{name}]\nae_titles = ['PACS_{name}']\n" for name in CENTERS)
    settings.write_text(f"[node]\nfolder = '{folder / 'node'}'\nminimum_free_bytes = 0\n{tables}")
    work = Installation(Settings.load(settings))
    (folder / "node").mkdir()
    open_registry(work.settings.node).close()
    _fill_registry(work.settings.node.registry_file, n)
    _fill_store(work, n)
    _write_reports(work)
    users = [User("all", None, hashed(PASSWORD)), User("one", ("B",), hashed(PASSWORD))]
    write_users(work.settings.portal_folder(), users)
    return work


def _center(number: int) -> str:
    return CENTERS[number // 10 % len(CENTERS)]


def _fill_registry(file: Path, n: int) -> None:
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        for start in range(0, n, 500):
            numbers = range(start, min(start + 500, n))
            connection.execute(insert(studies), [_study(number) for number in numbers])
            connection.execute(
                insert(instances),
                [_instance(number, index) for number in numbers for index in range(SLICES)],
            )
            complete = [one for one in numbers if STATES[one % 10] is not StudyState.INCOMPLETE]
            connection.execute(insert(outbox), [_content(number) for number in complete])
            scored = [one for one in complete if STATES[one % 10] is StudyState.SCORED]
            connection.execute(insert(results), [_result(number) for number in scored])
            connection.execute(insert(deliveries), [_delivery(number) for number in scored])
    engine.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("ANALYZE")


def _study(number: int) -> dict[str, object]:
    moment, state = FIRST + timedelta(minutes=number), STATES[number % 10]
    sentence = None if state is StudyState.SCORED else f"{number % 90} slices are missing"
    return {
        "study_key": _key("s", number),
        "patient_key": _key("p", number),
        "center": _center(number),
        "state": str(state),
        "sentence": sentence,
        "is_open": False,
        "received_at": moment,
        "last_instance_at": moment,
        "updated_at": moment,
    }


def _instance(number: int, index: int) -> dict[str, object]:
    return {
        "center": _center(number),
        "instance_key": _key("i", number * SLICES + index),
        "study_key": _key("s", number),
        "patient_key": _key("p", number),
        "sop_instance_uid": f"1.2.{number}.{index}",
        "sop_class_uid": CT_IMAGE_STORAGE,
        "series_instance_uid": f"1.2.{number}",
        "content_sha256": "c" * 64,
        "relative_path": f"{number}/{index}.dcm",
        "received_at": FIRST,
    }


def _content(number: int) -> dict[str, object]:
    is_held = STATES[number % 10] is StudyState.HELD
    return {
        "study_key": _key("s", number),
        "patient_key": _key("p", number),
        "center": _center(number),
        "content_digest": _digest(number),
        "instance_keys": "[]",
        "warnings": "[]",
        "state": "held" if is_held else "done",
        "due_at": FIRST,
        "attempts": 1,
        "created_at": FIRST,
    }


def _result(number: int) -> dict[str, object]:
    return {
        "study_key": _key("s", number),
        "content_digest": _digest(number),
        "model_digest": PROVENANCE.model_digest,
        "state": "scored",
        "finished_at": FIRST,
    }


def _delivery(number: int) -> dict[str, object]:
    return {
        "study_key": _key("s", number),
        "content_digest": _digest(number),
        "model_digest": PROVENANCE.model_digest,
        "center": _center(number),
        "path": "report.dcm",
        "attempts": 0,
        "due_at": FIRST,
        "delivered_at": None if number % 50 == 0 else FIRST,
    }


def _digest(number: int) -> str:
    return f"{number:064x}"


def _fill_store(work: Installation, n: int) -> None:
    """Write the rows of all studies at once, as they lie after a compaction."""
    random = np.random.default_rng(1)
    digest = work.settings.extraction().digest
    scores, checks, radiomics = [], [], []
    for number in range(n):
        study = StudyIdentity(
            _center(number), _key("p", number), _key("s", number), _digest(number)
        )
        if STATES[number % 10] is StudyState.SCORED:
            model, predictor = PROVENANCE.model_digest, float(random.normal())
            scores.append(
                row_of_score(
                    ScoreRow(study, model, predictor, True, {365: 0.7}, 1, (), "0.1.0", FIRST)
                )
            )
        checks += [row_of_check(check(suite, study, KVP)) for suite in ("study", "regions")]
        key = {"center": study.center, "patient_key": study.patient_key}
        radiomics.append(
            {
                **key,
                "study_key": study.study_key,
                "content_digest": study.content_digest,
                "region": str(Region.GTV),
                "settings_digest": digest,
                "features": random.normal(size=len(FEATURE_NAMES)).tolist(),
            }
        )
    for table, rows in (("scores", scores), ("checks", checks), ("radiomics", radiomics)):
        for center in CENTERS:
            work.store._write(table, [row for row in rows if row["center"] == center])
    work.store.compact()


def _report_id(number: int) -> str:
    moment = FIRST + timedelta(hours=12 * number)
    return f"{moment:%Y%m%dT%H%M%S%f}Z-center-B"


def _write_reports(work: Installation) -> None:
    report = build_report([made_cohort("B", 60, 1)], PROVENANCE, horizons=(365,), n_resamples=5)
    for number in range(REPORTS):
        folder = work.settings.reports_folder() / _report_id(number)
        folder.mkdir(parents=True)
        (folder / PAGE_NAME).write_text("<!doctype html>")
        write_center_performances(folder, report)


if __name__ == "__main__":
    sys.exit(main())
