"""What is scored again and says something else returns under other UIDs, and replaces what was."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from pydicom import Dataset, dcmread

from dicom_node.center import ReturnedObject
from dicom_node.registry.registry import StudyState
from flows.installation import Installation
from flows.studies import returned_objects, steps
from flows.studies.scored import Scored
from tests.support import synthetic_studies as spoil
from tests.support.archived_studies import archive_study
from tests.unit.flows.studies.conftest import RETURN_TO, installed
from validation_reports.dicom.reported_score import reported_score

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
RETURNS = "returns = ['seg', 'sr', 'note']\n" + RETURN_TO
write_returned = inspect.unwrap(returned_objects.write_returned)


def _of_roi(scored: Scored, number: int) -> Scored:
    study = scored.checked.study
    gtv = replace(study.gtv, number=number)
    return replace(scored, checked=replace(scored.checked, study=replace(study, gtv=gtv)))


def _of_risk(scored: Scored, linear_predictor: float) -> Scored:
    risk = replace(scored.answer.risk, linear_predictor=linear_predictor)
    return replace(scored, answer=replace(scored.answer, risk=risk))


def _finish(work: Installation, key: str, scored: Scored) -> dict[ReturnedObject, Dataset]:
    """Write what a score returns and queue it, as a run does that `requeue --again` asked for."""
    work.registry.outbox.requeue(key, also_finished=True)
    files = work.registry.outbox.files(key)
    with disable_run_logger():
        written: dict[ReturnedObject, Path] = write_returned(
            steps.StudyRun(work, work.store, files), scored
        )
    beside = dict(written)
    work.registry.outbox.finish(
        key,
        files.content_digest,
        work.bundle.digest,
        StudyState.SCORED,
        None,
        beside.pop(ReturnedObject.SR),
        beside=beside,
    )
    return {kind: dcmread(path) for kind, path in written.items()}


def _named(sequence: Any) -> set[str]:
    return {
        str(one.ReferencedSOPInstanceUID)
        for study in sequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        lambda scored: _of_roi(scored, 99),
        lambda scored: _of_risk(scored, scored.answer.risk.linear_predictor + 0.01),
        lambda scored: replace(scored, warnings=(*scored.warnings, "Released by somebody.")),
    ],
    ids=["another contour", "another score", "another warning"],
)
def test_what_is_scored_again_and_says_something_else_replaces_what_was_returned(
    tmp_path: Path, bundle: Any, scored: Scored, changed: Callable[[Scored], Scored]
) -> None:
    key = archive_study(
        tmp_path / "node", spoil.write_study(tmp_path / "study", "PATIENT-ID"), "alpha"
    )
    work = installed(tmp_path, bundle, RETURNS)
    try:
        first = _finish(work, key, scored)
        assert _finish(work, key, scored) == first
        other = changed(scored)
        second = _finish(work, key, other)
        again = _finish(work, key, other)
        assert again == {kind: second[kind] for kind in again}
        third = _finish(work, key, scored)
        queued = {one.path.name for one, _, _ in work.registry.deliveries.undelivered()}
    finally:
        work.registry.close()
    uids = {str(one.SOPInstanceUID) for each in (first, second, third) for one in each.values()}
    assert len(uids) == 2 + 3 + 3
    told = reported_score(second[ReturnedObject.SR])
    assert told is not None
    assert told.roi_number == str(other.checked.study.gtv.number)
    assert told.linear_predictor == pytest.approx(other.answer.risk.linear_predictor)
    assert list(told.warnings) == list(other.warnings)
    for before, now in ((first, second), (second, third)):
        earlier = {str(before[kind].SOPInstanceUID) for kind in first}
        assert _named([now[ReturnedObject.SR].PredecessorDocumentsSequence[0]]) <= earlier
        assert _named(now[ReturnedObject.NOTE].CurrentRequestedProcedureEvidenceSequence) == earlier
    assert all(name.endswith("-3.dcm") for name in queued)


@pytest.mark.slow
def test_a_difference_that_nobody_is_shown_is_no_other_edition(
    tmp_path: Path, bundle: Any, scored: Scored
) -> None:
    key = archive_study(
        tmp_path / "node", spoil.write_study(tmp_path / "study", "PATIENT-ID"), "alpha"
    )
    work = installed(tmp_path, bundle, RETURNS)
    try:
        first = _finish(work, key, scored)
        nearly = _of_risk(scored, scored.answer.risk.linear_predictor + 1e-7)
        assert _finish(work, key, nearly) == first
    finally:
        work.registry.close()
