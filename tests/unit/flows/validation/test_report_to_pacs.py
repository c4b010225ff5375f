"""A centre's report goes to its PACS only where the settings say under which ID, and never into a
patient's file.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dicom_node.center import Center, ReturnDestination
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, pseudonym_key
from flows.installation import Installation
from flows.validation.report_to_pacs import queue_center_report
from tests.support.intake_bench import KEY, Bench, whole_study
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.errors import CohortError
from validation_reports.report.validation_report import ValidationReport, build_report

PACS = ReturnDestination("PACS", "127.0.0.1", 104)


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    return build_report([made_cohort("alpha", 40, 1)], PROVENANCE, n_resamples=20)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


def _work(bench: Bench, **center: Any) -> Installation:
    facts = SimpleNamespace(
        name="demo-nsclc", version="1.0", demonstration=True, intended_use="Research."
    )
    return cast(
        "Installation",
        SimpleNamespace(
            center=lambda name: Center(name, ("ALPHA",), **center),
            registry=bench.registry,
            pseudonym_key=pseudonym_key,
            bundle=SimpleNamespace(digest=PROVENANCE.model_digest, facts=facts),
            settings=SimpleNamespace(node=SimpleNamespace(folder=bench.folder)),
        ),
    )


def test_without_an_id_or_a_pacs_nothing_is_sent_and_it_says_so(
    bench: Bench, report: ValidationReport
) -> None:
    said = queue_center_report(_work(bench, return_to=PACS), report, bench.folder)
    assert said == "nothing goes to the PACS of alpha: its settings name no qa_patient_id"
    said = queue_center_report(_work(bench, qa_patient_id="QA"), report, bench.folder)
    assert said == "nothing goes to the PACS of alpha: its settings have no return_to"
    assert bench.registry.deliveries.undelivered() == []


def test_a_report_never_goes_into_a_patients_file(
    bench: Bench, report: ValidationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, KEY.decode())
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    said = queue_center_report(
        _work(bench, qa_patient_id="P1", return_to=PACS), report, bench.folder
    )
    assert "is the ID of a patient whose studies were received" in said
    assert "P1" not in said
    assert bench.registry.deliveries.undelivered() == []


def test_the_same_findings_are_queued_once_and_without_a_pdf_it_says_so(
    bench: Bench, report: ValidationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, KEY.decode())
    work = _work(bench, qa_patient_id="QA", return_to=PACS)
    assert "without the PDF" in queue_center_report(work, report, bench.folder)
    ((delivery, _, _),) = bench.registry.deliveries.undelivered()
    assert delivery.path.is_relative_to(bench.folder / "structured_reports" / "alpha")
    written = delivery.path.read_bytes()
    assert "sent these findings before" in queue_center_report(work, report, bench.folder)
    assert [one.path for one, _, _ in bench.registry.deliveries.undelivered()] == [delivery.path]
    assert delivery.path.read_bytes() == written
    assert bench.registry.studies.summaries() == []


def test_what_was_found_at_another_center_is_not_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, KEY.decode())
    both = build_report(
        [made_cohort("alpha", 20, 1), made_cohort("beta", 20, 2)], PROVENANCE, n_resamples=20
    )
    work = _work(bench, qa_patient_id="QA", return_to=PACS)
    with pytest.raises(CohortError, match="only one on a single centre"):
        queue_center_report(work, both, bench.folder)


@pytest.mark.parametrize("wrong", ["", " QA", "QA ", "a\\b", "Ü", "x" * 65])
def test_an_id_that_dicom_cannot_hold_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="qa_patient_id of centre alpha is not usable"):
        Center("alpha", ("ALPHA",), qa_patient_id=wrong)
