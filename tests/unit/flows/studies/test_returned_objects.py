"""What a score returns: each object that the centre takes, whole on the disk and the same every
time.
"""

from __future__ import annotations

import inspect
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.center import ReturnedObject
from flows.studies import returned_objects, steps
from flows.studies.scored import Scored
from tests.unit.flows.studies.conftest import RETURN_TO, installed

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

write_returned = inspect.unwrap(returned_objects.write_returned)


def _written(
    archived: tuple[Path, str], bundle: Any, scored: Scored, center: str
) -> dict[ReturnedObject, Path]:
    folder, study_key = archived
    work = installed(folder, bundle, center)
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
