"""The files of a report: all there, and page and PDF the same again from the JSON alone."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports import report_folder
from validation_reports.__main__ import main
from validation_reports.errors import ReportNotWrittenError
from validation_reports.report import latest_performance
from validation_reports.report.validation_report import build_report
from validation_reports.report_folder import write_report_files

COHORT = made_cohort("A", 60, 1)


@pytest.mark.slow
def test_everything_is_written_and_rendered_again_from_the_json_alone(tmp_path: Path) -> None:
    report = build_report([COHORT], PROVENANCE, n_resamples=50)
    folder = tmp_path / "report"
    without_pdf = write_report_files(folder, report, [COHORT])
    if without_pdf and os.environ.get("ANNULUS_REQUIRE_PEERS") != "1":
        pytest.skip(without_pdf)
    assert without_pdf is None
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "curves.csv",
        "figures.json",
        "r-check/expected.csv",
        "r-check/patients.csv",
        "r-check/recompute.R",
        "report.html",
        "report.json",
        "report.pdf",
    ]
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    page = (folder / "report.html").read_text(encoding="utf-8")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "report.json").write_text(
        (folder / "report.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert main([str(alone)]) == 0
    assert (alone / "report.html").read_text(encoding="utf-8") == page
    assert (alone / "report.pdf").stat().st_size > 10_000
    with pytest.raises(FileExistsError):
        write_report_files(folder, report, [COHORT])


@pytest.mark.slow
def test_a_report_can_be_written_without_pdf(tmp_path: Path) -> None:
    report = build_report([COHORT], PROVENANCE, n_resamples=50)
    assert write_report_files(tmp_path / "report", report, [COHORT], pdf=False) is None
    assert not (tmp_path / "report" / "report.pdf").exists()
    assert main(["--without-pdf", str(tmp_path / "report")]) == 0
    assert not (tmp_path / "report" / "report.pdf").exists()


@pytest.mark.slow
def test_page_and_json_of_5000_patients_stay_small(tmp_path: Path) -> None:
    cohort = made_cohort("A", 5000, 1)
    report = build_report([cohort], PROVENANCE, n_resamples=50)
    write_report_files(tmp_path / "report", report, [cohort], pdf=False)
    for name in ("report.html", "report.json"):
        assert (tmp_path / "report" / name).stat().st_size < 2e6, name
    assert "complete in curves.csv" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.slow
def test_without_pango_there_is_a_sentence_instead_of_a_pdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Absent:
        """Fails as the import does where the system's library cannot be loaded."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    report = build_report([COHORT], PROVENANCE, n_resamples=50)
    sentence = write_report_files(tmp_path / "report", report, [COHORT])
    assert sentence is not None
    assert "install Pango" in sentence
    assert (tmp_path / "report" / "report.html").is_file()
    assert not (tmp_path / "report" / "report.pdf").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report.json", "curves.csv", "report.html", "figures.json"])
def test_of_a_report_that_the_disk_does_not_take_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    report = build_report([COHORT], PROVENANCE, n_resamples=20)

    def write(path: Path, content: bytes) -> None:
        if path.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(content)

    monkeypatch.setattr(report_folder, "write_durably", write)
    monkeypatch.setattr(latest_performance, "write_durably", write)
    with pytest.raises(ReportNotWrittenError, match="No space left on device"):
        write_report_files(tmp_path / "report", report, [COHORT], pdf=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    report = build_report([COHORT], PROVENANCE, n_resamples=20)
    (tmp_path / "kept").write_text("")
    with pytest.raises(FileExistsError):
        write_report_files(tmp_path, report, [COHORT], pdf=False)
    assert (tmp_path / "kept").exists()
    with pytest.raises(ReportNotWrittenError, match="Not a directory"):
        write_report_files(tmp_path / "kept" / "report", report, [COHORT], pdf=False)
