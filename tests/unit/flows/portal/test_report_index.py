"""Reports are listed by who may see all of their centres; only files of reports are given."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from flows.portal.report_index import ReportIndex
from flows.portal.users import User
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.report.file_names import JSON_NAME, PAGE_NAME
from validation_reports.report.latest_performance import write_center_performances
from validation_reports.report.validation_report import build_report, to_json

EVERY, NORTH = User("anna", None, None), User("nora", ("north",), None)
SOME_PATIENTS = "20260101T000000000000Z-early"


def _on_some_patients(folder: Path, *centers: str) -> None:
    """Write what a report on some patients leaves, without main numbers that are quoted."""
    folder.mkdir(parents=True)
    (folder / PAGE_NAME).write_text("<!doctype html>")
    query = json.dumps({"name": "early", "centers": centers})
    (folder / JSON_NAME).write_text(json.dumps({"provenance": {"query": query}}))


def test_a_report_is_seen_by_who_may_see_all_its_centres(tmp_path: Path) -> None:
    _on_some_patients(tmp_path / SOME_PATIENTS, "north")
    _on_some_patients(tmp_path / "20260102T000000000000Z-both", "north", "south")
    index = ReportIndex(tmp_path)
    assert [one.name for one in index.seen_by(EVERY)] == ["both", "early"]
    (entry,) = index.seen_by(NORTH)
    assert (entry.name, entry.centers) == ("early", ("north",))
    assert entry.made_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert index.find("20260102T000000000000Z-both", NORTH) is None
    assert index.find("20260102T000000000000Z-both", EVERY) is not None


def test_what_is_no_report_or_not_whole_is_not_listed(tmp_path: Path) -> None:
    assert ReportIndex(tmp_path / "nowhere").seen_by(EVERY) == []
    (tmp_path / "20260101T000000000000Z-growing").mkdir()
    _on_some_patients(tmp_path / "notes", "north")
    _on_some_patients(tmp_path / "20260103T000000000000Z-odd", "north")
    (tmp_path / "20260103T000000000000Z-odd" / JSON_NAME).write_text("{}")
    assert ReportIndex(tmp_path).seen_by(EVERY) == []


def test_what_a_report_found_is_seen_though_it_was_looked_at_before(tmp_path: Path) -> None:
    report = build_report([made_cohort("north", 40, 1)], PROVENANCE, horizons=(365,), n_resamples=5)
    now = datetime.now(UTC)
    folder = tmp_path / f"{now:%Y%m%dT%H%M%S%f}Z-new"
    _on_some_patients(folder, *(one.center for one in report.centers))
    index = ReportIndex(tmp_path)
    assert index.seen_by(EVERY)[0].performances == ()
    write_center_performances(folder, report)
    (entry,) = index.seen_by(EVERY)
    assert [one.center for one in entry.performances] == [one.center for one in report.centers]


def test_what_a_report_found_of_shift_and_drift_is_read_once(tmp_path: Path) -> None:
    report = build_report([made_cohort("north", 40, 1)], PROVENANCE, horizons=(365,), n_resamples=5)
    folder = tmp_path / SOME_PATIENTS
    _on_some_patients(folder, "north")
    index = ReportIndex(tmp_path)
    (entry,) = index.seen_by(EVERY)
    assert index.change(entry, "north") is None  # of another release
    (folder / JSON_NAME).write_text(to_json(report))
    assert index.change(entry, "north") is None
    index = ReportIndex(tmp_path)
    change = index.change(entry, "north")
    assert change is not None
    assert (change.shift, change.drift) == (report.centers[0].shift, report.centers[0].drift)
    assert index.change(entry, "south") is None


def test_only_the_files_of_a_report_are_given(tmp_path: Path) -> None:
    folder = tmp_path / SOME_PATIENTS
    _on_some_patients(folder, "north")
    (folder / "secret.txt").write_text("not of a report")
    (tmp_path / "outside.csv").write_text("elsewhere")
    (folder / "curves.csv").symlink_to(tmp_path.parent / "outside.csv")
    index = ReportIndex(tmp_path)
    (entry,) = index.seen_by(EVERY)
    assert set(index.files(entry)) == {PAGE_NAME, JSON_NAME}
    assert index.file(entry, PAGE_NAME) == folder / PAGE_NAME
    (tmp_path.parent / "outside.csv").write_text("elsewhere")
    for name in ("secret.txt", "../outside.csv", "curves.csv", "report.pdf", ""):
        assert index.file(entry, name) is None
