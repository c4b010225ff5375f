"""A new result names what it replaces, and retires it in a PACS whose centre asks for that."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from pydicom import dcmread

from dicom_node.center import ReturnedObject
from dicom_node.registry.registry import StudyState
from flows.installation import Installation
from flows.studies import returned_objects, steps
from flows.studies.scored import Scored
from tests.support import synthetic_studies as spoil
from tests.support.archived_studies import archive_study
from tests.support.dciodvfy import errors_in
from tests.support.intake_bench import Bench
from tests.unit.flows.studies.conftest import RETURN_TO, installed

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
RETIRING = "returns = ['seg', 'pdf', 'sr', 'note']\n" + RETURN_TO
write_returned = inspect.unwrap(returned_objects.write_returned)


def _finish(work: Installation, study_key: str, scored: Scored) -> dict[ReturnedObject, Path]:
    """Write what the newest content of a study returns, and queue it, as a run does."""
    files = work.registry.outbox.files(study_key)
    run = steps.StudyRun(work, work.store, files)
    with disable_run_logger():
        written: dict[ReturnedObject, Path] = write_returned(run, scored)
    beside = dict(written)
    work.registry.outbox.finish(
        study_key,
        files.content_digest,
        work.bundle.digest,
        StudyState.SCORED,
        None,
        beside.pop(ReturnedObject.SR),
        beside=beside,
    )
    return written


@pytest.mark.slow
def test_a_contour_that_is_drawn_anew_retires_what_was_returned_before(
    tmp_path: Path, bundle: Any, scored: Scored, peer: Callable[[str], str]
) -> None:
    drawn = spoil.write_study(tmp_path / "study", "PATIENT-ID")
    key = archive_study(tmp_path / "node", drawn, "alpha")
    work = installed(tmp_path, bundle, RETIRING)
    try:
        before = _finish(work, key, scored)
        bench = Bench(tmp_path / "node")
        bench.push(dcmread(spoil.drawn_anew(drawn)[-1]), center_name="alpha")
        bench.close()
        now = _finish(work, key, scored)
    finally:
        work.registry.close()
    assert set(before) == {ReturnedObject.SEG, ReturnedObject.PDF, ReturnedObject.SR}
    assert set(now) == {*before, ReturnedObject.NOTE}
    note, report = dcmread(now[ReturnedObject.NOTE]), dcmread(now[ReturnedObject.SR])
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    retired = {
        str(one.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert retired == {str(dcmread(path).SOPInstanceUID) for path in before.values()}
    assert errors_in(peer("dciodvfy"), now[ReturnedObject.NOTE]) == []
    (earlier,) = report.PredecessorDocumentsSequence
    (series,) = earlier.ReferencedSeriesSequence
    (one,) = series.ReferencedSOPSequence
    assert one.ReferencedSOPInstanceUID == dcmread(before[ReturnedObject.SR]).SOPInstanceUID
    assert errors_in(peer("dciodvfy"), now[ReturnedObject.SR]) == []
