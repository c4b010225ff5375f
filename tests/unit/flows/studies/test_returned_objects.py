"""What a score returns: each object that the centre takes, whole on the disk and the same every
time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from prefect.logging import disable_run_logger
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node.center import USUALLY_RETURNED, ReturnedObject
from dicom_node.datasets.text_as_sent import text_as_sent
from flows.installation import quote_no_values
from flows.studies import returned_objects, steps
from flows.studies.scored import Scored
from models.combined.combined_model import train_combined_model
from models.network.weights import DEEP_COLUMNS
from models.survival.survival_data import Survival
from tests.support.dciodvfy import errors_in
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
    assert set(written) == set(USUALLY_RETURNED)
    before = {path: path.read_bytes() for path in written.values()}
    assert all(_written(archived, bundle, scored, RETURN_TO)[kind].exists() for kind in written)
    assert {path: path.read_bytes() for path in written.values()} == before
    report, regions = (dcmread(written[kind]) for kind in (ReturnedObject.SR, ReturnedObject.SEG))
    page = dcmread(written[ReturnedObject.PDF])
    assert {str(regions.SOPInstanceUID), str(page.SOPInstanceUID)} <= _referenced(report)
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
    written = _written(archived, bundle, _without_frame_of_reference(scored), RETURN_TO)
    assert set(written) == {ReturnedObject.SR, ReturnedObject.PDF}
    texts = [
        str(element.value)
        for element in dcmread(written[ReturnedObject.SR]).iterall()
        if element.keyword == "TextValue"
    ]
    (said,) = (one for one in texts if one.startswith("The regions that were measured"))
    assert "The headers of the CT do not allow a segmentation" in said


def test_a_page_is_returned_as_picture_where_it_is_asked_for(
    archived: tuple[Path, str], bundle: Any, scored: Scored, peer: Callable[[str], str]
) -> None:
    written = _written(archived, bundle, scored, "returns = ['sr', 'sc']\n" + RETURN_TO)
    assert set(written) == {ReturnedObject.SR, ReturnedObject.SC}
    report, picture = dcmread(written[ReturnedObject.SR]), dcmread(written[ReturnedObject.SC])
    assert str(picture.SOPInstanceUID) in _referenced(report)
    assert picture.pixel_array.shape == (1754, 1241, 3)  # an A4 at 150 dots an inch
    assert 0.02 < (picture.pixel_array < 128).mean() < 0.5
    assert errors_in(peer("dciodvfy"), written[ReturnedObject.SR], name="Comprehensive3DSR") == []
    assert errors_in(peer("dciodvfy"), written[ReturnedObject.SC], name="SCImage") == []


EVERYTHING = "returns = ['sr', 'seg', 'pdf', 'sc']\n" + RETURN_TO


def test_uids_with_leading_zeros_are_returned_as_they_were_sent(
    archived: tuple[Path, str], bundle: Any, scored: Scored
) -> None:
    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")

    def changed(dataset: Dataset) -> dict[str, str]:
        return {name: f"1.2.003.0{dataset[name].value[-9:]}" for name in names}

    with disable_value_validation():
        quote_no_values()  # as every process that scores
        sent = _changed(scored, changed)
        written = _written(archived, bundle, sent, EVERYTHING)
        back = {kind: dcmread(path) for kind, path in written.items()}
        assert {str(kind) for kind in back} == {"sr", "seg", "pdf", "sc"}
        first, last = sent.checked.ct_datasets[0], sent.checked.ct_datasets[-1]
        assert {one.StudyInstanceUID for one in back.values()} == {first.StudyInstanceUID}
        assert {str(first.SOPInstanceUID), str(last.SOPInstanceUID)} <= _referenced(
            back[ReturnedObject.SR]
        )
        regions = back[ReturnedObject.SEG]
        assert regions.FrameOfReferenceUID == first.FrameOfReferenceUID
        assert regions.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID


def test_a_backslash_in_what_names_the_patient_stays(
    archived: tuple[Path, str], bundle: Any, scored: Scored
) -> None:
    sent = {"PatientID": "A1\\7", "AccessionNumber": "R1\\R2", "PatientName": "Doe^J\\Doe^Jane"}
    written = _written(archived, bundle, _changed(scored, lambda _: sent), EVERYTHING)
    assert len(written) == 4
    for path in written.values():
        returned = dcmread(path)
        assert {name: text_as_sent(returned, name) for name in sent} == sent


def _changed(scored: Scored, values: Callable[[Dataset], dict[str, str]]) -> Scored:
    """Return a score of a study whose instances have other values, where they have one."""
    ct, rtstruct = deepcopy(scored.checked.ct_datasets), deepcopy(scored.checked.rtstruct)
    for dataset in ct:
        for name, value in values(dataset).items():
            dataset[name] = DataElement(name, dataset[name].VR, value)
    for name in ("StudyInstanceUID", "PatientID", "PatientName"):
        rtstruct[name] = deepcopy(ct[0][name])
    return replace(scored, checked=replace(scored.checked, ct_datasets=ct, rtstruct=rtstruct))


class _MeansOfParts:
    """In place of a network: what an image holds in each of its 512 cubes of 8 voxels."""

    def extract(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = images.reshape(-1, 8, 8, 8, 8, 8, 8).mean(axis=(2, 4, 6))
        return np.asarray(parts.reshape(len(images), -1), dtype=np.float32)


@pytest.mark.slow
def test_the_map_is_returned_where_it_is_asked_for_and_says_what_it_covers(
    archived: tuple[Path, str], bundle: Any, scored: Scored, peer: Callable[[str], str]
) -> None:
    random = np.random.default_rng(5)
    values = pd.DataFrame(random.normal(size=(90, len(DEEP_COLUMNS))), columns=list(DEEP_COLUMNS))
    days = np.ceil(random.exponential(900 / np.exp(values["deep:000"].to_numpy())).clip(1, 2000))
    model = train_combined_model(values, Survival(days, days < 2000), seed=1, blocks=("deep",))
    with_network = SimpleNamespace(
        **vars(bundle) | {"model": model, "network": 1, "deep_feature_extractor": _MeansOfParts()}
    )
    asked = "returns = ['map']\n" + RETURN_TO
    written = _written(archived, with_network, scored, asked)
    found = dcmread(written[ReturnedObject.MAP])
    assert found.SeriesDescription == (
        "Annulus occlusion DEMONSTRATION: deep block of the score alone"
    )
    assert np.unique(np.frombuffer(found.FloatPixelData, "<f4")).size > 1
    assert errors_in(peer("dciodvfy"), written[ReturnedObject.MAP], "-new") == []
    first = written[ReturnedObject.MAP].read_bytes()
    assert _written(archived, with_network, scored, asked)[ReturnedObject.MAP].read_bytes() == first
    for lacking, study in (
        (bundle, scored),  # a network
        (SimpleNamespace(**vars(with_network) | {"model": bundle.model}), scored),  # its features
        (with_network, _without_frame_of_reference(scored)),
    ):
        assert set(_written(archived, lacking, study, asked)) == {ReturnedObject.SR}


def _without_frame_of_reference(scored: Scored) -> Scored:
    ct = deepcopy(scored.checked.ct_datasets)
    for dataset in ct:
        del dataset.FrameOfReferenceUID
    return replace(scored, checked=replace(scored.checked, ct_datasets=ct))


def _referenced(report: Dataset) -> set[str]:
    return {
        str(element.value)
        for element in report.iterall()
        if element.keyword in ("ReferencedSOPInstanceUID", "ReferencedSOPClassUID")
    }
