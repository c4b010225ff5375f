"""PAT1 and the six STS patients, pushed by DCMTK, scored once each, with a valid SR for each in
Orthanc.

The same holds when RTSTRUCT or CT come first or mixed, and when node, dispatcher and scoring
process are killed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.datasets.sop_classes import ENCAPSULATED_PDF_STORAGE, SEGMENTATION_STORAGE
from dicom_node.registry.registry import StudyState
from flows.dispatch.worker import DISPATCHED
from tests.support.dciodvfy import errors_in
from tests.support.orthanc import Orthanc
from tests.support.running_installation import NewInstallation, Running
from tests.support.settings_tables import center_table
from tests.support.waiting import wait_until

PAT1, STS = "PAT1", "STS"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
Peer = Callable[[str], str]

pytestmark = [pytest.mark.peers, pytest.mark.real_data, pytest.mark.slow]


def _centers(orthanc: Orthanc) -> str:
    pacs = (orthanc.ae_title, orthanc.dicom_port)
    return "".join(
        center_table(name, pacs=pacs, gtv_pattern=pattern)
        for name, pattern in ((PAT1, "GTV-1"), (STS, "GTV_Mass_CT"))
    )


@pytest.fixture
def running(new_installation: NewInstallation, orthanc: Orthanc) -> Iterator[Running]:
    with new_installation(_centers(orthanc)) as running:
        yield running


def _folders(real_data: Path) -> list[tuple[str, Path]]:
    patients = sorted(folder for folder in (real_data / "sts").iterdir() if folder.is_dir())
    return [(PAT1, real_data / "pat1"), *((STS, folder) for folder in patients)]


def _in_order(folder: Path, order: str) -> list[Path]:
    ct, rtstruct = sorted((folder / "ct").iterdir()), sorted((folder / "rtstruct").iterdir())
    if order == "rtstruct first":
        return rtstruct + ct
    if order == "rtstruct last":
        return ct + rtstruct
    return ct[: len(ct) // 2] + rtstruct + ct[len(ct) // 2 :]


def _interleaved(folders: list[tuple[str, Path]], center: str) -> list[Path]:
    """Return the files of all patients of a centre in turns, as several associations would mix
    them.
    """
    queues = [_in_order(folder, "interleaved") for name, folder in folders if name == center]
    return [file for turn in zip_longest(*queues) for file in turn if file is not None]


def _push_all(running: Running, peer: Peer, real_data: Path, order: str) -> None:
    folders = _folders(real_data)
    if order == "interleaved":
        for center in (PAT1, STS):
            assert running.push(peer, _interleaved(folders, center), center) == 0
    else:
        for center, folder in folders:
            assert running.push(peer, _in_order(folder, order), center) == 0


def _check_reports(
    orthanc: Orthanc, running: Running, peer: Peer, real_data: Path, tmp_path: Path
) -> None:
    expected = len(_folders(real_data))
    wait_until(
        lambda: sum(bool(study.delivered) for study in running.studies()) == expected,
        60,
        "every report is delivered",
    )
    reports = [item for item in orthanc.instances() if item["SOPClassUID"] == COMPREHENSIVE_3D_SR]
    studies = {
        str(dcmread(next((folder / "ct").iterdir()), stop_before_pixels=True).StudyInstanceUID)
        for _, folder in _folders(real_data)
    }
    assert len(reports) == expected
    assert {report["StudyInstanceUID"] for report in reports} == studies
    for report in reports:
        file = tmp_path / f"{report['orthanc']}.dcm"
        orthanc.fetch(report["orthanc"], file)
        assert errors_in(peer("dciodvfy"), file, name="Comprehensive3DSR") == []
        dumped = subprocess.run(
            [peer("dsrdump"), "+Pl", str(file)], check=True, capture_output=True, text=True
        ).stdout
        assert running.bundle_digest in dumped
        assert "not for clinical use" in dumped
    _check_others(orthanc, running, peer, studies, tmp_path)


def _check_others(
    orthanc: Orthanc, running: Running, peer: Peer, studies: set[str], tmp_path: Path
) -> None:
    wait_until(
        lambda: not running.registry.deliveries.undelivered(), 60, "every object is delivered"
    )
    for name, kind in (
        ("Segmentation", SEGMENTATION_STORAGE),
        ("EncapsulatedPDF", ENCAPSULATED_PDF_STORAGE),
    ):
        found = [item for item in orthanc.instances() if item["SOPClassUID"] == kind]
        assert sorted(one["StudyInstanceUID"] for one in found) == sorted(studies)
        for one in found:
            file = tmp_path / f"{one['orthanc']}.dcm"
            orthanc.fetch(one["orthanc"], file)
            assert errors_in(peer("dciodvfy"), file, name=name) == []


def _scored_runs(running: Running) -> int:
    keys = {study.study_key for study in running.studies()}
    return sum(
        run["state_name"] == "Scored" and run["parameters"]["study_key"] in keys
        for run in running.flow_runs()
    )


@pytest.mark.parametrize("order", ["rtstruct first", "rtstruct last"])
def test_each_study_is_scored_once_whatever_the_order(
    order: str, running: Running, orthanc: Orthanc, peer: Peer, real_data: Path, tmp_path: Path
) -> None:
    _push_all(running, peer, real_data, order)
    scored = running.wait_for(len(_folders(real_data)), StudyState.SCORED)
    _check_reports(orthanc, running, peer, real_data, tmp_path)

    _push_all(running, peer, real_data, order)
    running.wait_until_idle()
    print(
        f"\n{order}: {len(scored)} studies scored, {_scored_runs(running)} runs scored after the "
        "second push"
    )
    assert _scored_runs(running) == len(scored)
    assert {study.center for study in scored} == {PAT1, STS}
    # A tag on a step makes it ask the server for a slot under that tag, which has cost whole
    # seconds of a study.
    assert all(DISPATCHED in run["tags"] for run in running.own_runs())
    assert {tuple(step["tags"]) for step in running.own_steps()} == {()}


def test_kills_at_any_point_end_in_the_same_state(
    running: Running, orthanc: Orthanc, peer: Peer, real_data: Path, tmp_path: Path
) -> None:
    folders = _folders(real_data)
    half = _interleaved(folders, STS)[:150]

    running.push(peer, half, STS)
    running.system.kill("node")
    assert running.push(peer, half[:1], STS) != 0
    running.system.start_node(running.port)
    _push_all(running, peer, real_data, "interleaved")

    wait_until(
        lambda: running.registry.outbox.counts()["claimed"] > 0, 120, "a study is being scored"
    )
    running.system.kill("dispatcher")
    running.system.start_dispatcher()
    running.wait_for(3, StudyState.SCORED)
    running.kill_worker()
    wait_until(
        lambda: running.registry.outbox.counts()["claimed"] > 0,
        120,
        "the next study is being scored",
    )
    running.system.kill("node")
    running.system.start_node(running.port)

    scored = running.wait_for(len(folders), StudyState.SCORED)
    _check_reports(orthanc, running, peer, real_data, tmp_path)
    running.wait_until_idle()
    wait_until(
        lambda: all(run["state_type"] not in {"RUNNING", "PENDING"} for run in running.own_runs()),
        60,
        "no run looks alive whose process is dead",
    )
    print(f"\nkilled: {len(scored)} studies scored, {_scored_runs(running)} runs scored")
    # A study that was finished in the moment of the kill is scored, and its run is a crashed one.
    assert len(scored) - 1 <= _scored_runs(running) <= len(scored)
