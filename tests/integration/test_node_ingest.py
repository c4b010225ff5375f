"""A live node and real peers: DCMTK pushes, the node dies and comes back, and reports reach a PACS
that was down.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.registry.registry import StudyState
from tests.support.dcmtk import storescu_command
from tests.support.node_process import NodeProcess, NodeWithPacs
from tests.support.orthanc import Orthanc
from tests.support.real_data import real_study
from tests.support.reports_for_pacs import REPORT_UID, finish_with, write_smallest_report
from tests.support.storing_pacs import StoringPacs
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.peers, pytest.mark.real_data]

PATIENCE_S = 60.0

Find = Callable[[str], str]


@pytest.fixture(autouse=True)
def dcmtk(peer: Find) -> None:
    """What pushes is here."""
    peer("storescu")


def _files(folder: Path) -> tuple[list[Path], Path]:
    study = real_study(folder)
    return study.ct, study.rtstruct


def _orders(slices: list[Path], drawn: Path) -> list[list[Path]]:
    mixed = [*slices, drawn]
    random.Random(7).shuffle(mixed)
    return [[*slices, drawn], [drawn, *slices], mixed]


def _one_row(node: NodeProcess) -> str:
    """Assert that the outbox holds the one study, and return its content digest."""
    with node.registry() as registry:
        counts = registry.outbox.counts()
        assert counts == {"waiting": 1, "claimed": 0, "held": 0, "done": 0}
        (study,) = registry.studies.summaries()
        assert (study.state, study.instances) == (StudyState.QUEUED, 61)
        return registry.outbox.files(study.study_key).content_digest


def test_pat1_in_every_order_and_twice_is_one_row(tmp_path: Path, real_data: Path) -> None:
    digests = set()
    for number, order in enumerate(_orders(*_files(real_data / "pat1"))):
        node = NodeWithPacs(tmp_path / f"live{number}")
        node.start()
        for _ in range(2):
            done = node.push(order)
            assert done.returncode == 0, done.stderr
            digests.add(_one_row(node))
        assert node.stop() == 0
    assert len(digests) == 1


def test_what_was_stored_is_what_was_sent(node: NodeWithPacs, real_data: Path) -> None:
    slices, drawn = _files(real_data / "pat1")
    node.start()
    node.push([*slices, drawn])
    with node.registry() as registry:
        files = registry.outbox.files(node.studies()[0].study_key)
    sent = {str(dcmread(path).SOPInstanceUID): dcmread(path) for path in (*slices, drawn)}
    for kept in (files.rtstruct, *files.ct):
        assert dcmread(kept.path) == sent[kept.sop_instance_uid]
    assert len(files.ct) == 60


@pytest.mark.parametrize("patient", ["STS_001", "STS_019"])
def test_an_sts_patient_is_matched_after_the_quiet_period(
    tmp_path: Path, real_data: Path, patient: str
) -> None:
    node = NodeWithPacs(tmp_path / "live", quiet_period_s=1.0)
    slices, drawn = _files(real_data / "sts" / patient)
    node.start()
    try:
        assert node.push([*slices, drawn]).returncode == 0
        wait_until(
            lambda: node.studies()[0].state is StudyState.QUEUED, PATIENCE_S, "the quiet period"
        )
        with node.registry() as registry:
            files = registry.outbox.files(node.studies()[0].study_key)
    finally:
        node.kill()
    assert len(files.ct) == len(slices)
    (warning,) = files.warnings
    assert warning.code == "list-unmet"
    assert (
        f"of which 0 are here; matched with {len(slices)} slices by the Series Instance UID that "
        "the RTSTRUCT lists"
    ) in warning.sentence


def _holds(archive: Path, count: int) -> bool:
    return len(list(archive.rglob("*.dcm"))) >= count


@pytest.mark.slow
def test_killed_in_the_middle_of_pushes_it_ends_in_the_same_state(
    node: NodeWithPacs, tmp_path: Path, real_data: Path
) -> None:
    slices, drawn = _files(real_data / "pat1")
    untouched = NodeWithPacs(tmp_path / "untouched")
    untouched.start()
    untouched.push([*slices, drawn])
    expected = _one_row(untouched)
    untouched.stop()
    node.start()
    archive = node.archive
    for enough in (5, 20, 45):
        pushing = subprocess.Popen(
            storescu_command("storescu", node.port, [drawn, *slices], "ALPHA"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(partial(_holds, archive, enough), PATIENCE_S, f"{enough} files")
        node.kill()
        pushing.wait(timeout=PATIENCE_S)
        stored = {
            str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            for path in archive.rglob("*.dcm")
        }
        assert len(stored) >= enough
        node.start()
        with node.registry() as registry:
            assert len(registry.instances.paths()) == len(list(archive.rglob("*.dcm")))
    assert node.push([drawn, *slices]).returncode == 0
    assert _one_row(node) == expected
    assert node.incidents() == []


def test_an_unknown_caller_is_rejected_and_the_next_one_served(
    node: NodeWithPacs, real_data: Path
) -> None:
    slices, _ = _files(real_data / "pat1")
    node.start()
    rejected = node.push(slices[:1], calling="NOBODY")
    assert rejected.returncode != 0
    assert "Calling AE Title Not Recognized" in rejected.stderr + rejected.stdout
    assert node.push(slices[:1]).returncode == 0
    wait_until(lambda: node.incidents() == ["unknown-caller"], PATIENCE_S, "the incident")


def _broken_copies(folder: Path, slices: list[Path]) -> tuple[Path, Path]:
    """Return a slice whose pixel data is cut off, and one with other pixels under the same UID."""
    cut, other = dcmread(slices[0]), dcmread(slices[1])
    cut.PixelData = cut.PixelData[:1000]
    other.PixelData = bytes(len(other.PixelData))
    for dataset, name in ((cut, "cut.dcm"), (other, "other.dcm")):
        dataset.save_as(folder / name)
    return folder / "cut.dcm", folder / "other.dcm"


def test_damaged_and_changed_slices_are_refused_and_quarantined_and_nothing_is_lost(
    node: NodeWithPacs, tmp_path: Path, real_data: Path
) -> None:
    slices, drawn = _files(real_data / "pat1")
    cut, other = _broken_copies(tmp_path, slices)
    node.start()
    refused = node.push([cut])
    assert refused.returncode != 0
    assert "(Error: CannotUnderstand)" in refused.stderr + refused.stdout
    assert node.push([*slices[1:], drawn]).returncode == 0
    assert [one.state for one in node.studies()] == [StudyState.RECEIVING]
    changed = node.push([other])
    assert changed.returncode != 0
    assert "(Error: CannotUnderstand)" in changed.stderr + changed.stdout
    assert node.push(slices[:1]).returncode == 0
    _one_row(node)
    assert sorted(node.incidents()) == ["conflicting-content", "damaged-instance"]
    assert len(list((node.data / "quarantine").rglob("*.dcm"))) == 2


def test_no_identifier_is_in_the_log_or_in_a_path(
    node: NodeWithPacs, tmp_path: Path, real_data: Path
) -> None:
    slices, drawn = _files(real_data / "sts" / "STS_001")
    cut, _ = _broken_copies(tmp_path, slices)
    node.start()
    assert node.push([cut]).returncode != 0
    assert node.push([*slices, drawn]).returncode == 0
    dataset = dcmread(slices[0], stop_before_pixels=True)
    assert node.stop() == 0
    text = node.log.read_text(encoding="utf-8")
    text += "\n".join(str(path) for path in node.data.rglob("*"))
    assert "an instance was refused" in text
    for identifier in (
        dataset.PatientID,
        dataset.StudyInstanceUID,
        dataset.SeriesInstanceUID,
        dataset.SOPInstanceUID,
    ):
        assert str(identifier) not in text


def _undelivered_attempts(node: NodeProcess) -> int:
    with node.registry() as registry:
        return sum(delivery.attempts for delivery, _, _ in registry.deliveries.undelivered())


@pytest.mark.parametrize("program", ["storescp", "Orthanc"])
def test_a_report_waits_for_a_pacs_that_is_down_and_is_delivered_once(
    node: NodeWithPacs, tmp_path: Path, peer: Find, real_data: Path, program: str
) -> None:
    found = peer(program)
    pacs: StoringPacs | Orthanc = (
        StoringPacs(tmp_path / "pacs", node.pacs_port)
        if program == "storescp"
        else Orthanc(found, tmp_path / "pacs", "PACS", node.pacs_port)
    )
    slices, drawn = _files(real_data / "pat1")
    node.start()
    node.push([*slices, drawn])
    with node.registry() as registry:
        finish_with(registry, write_smallest_report(tmp_path / "report.dcm"))
    wait_until(lambda: _undelivered_attempts(node) >= 2, PATIENCE_S, "two failed attempts")
    assert [one.delivered for one in node.studies()] == [False]
    with pacs:
        wait_until(
            lambda: [one.delivered for one in node.studies()] == [True], PATIENCE_S, "the delivery"
        )
    kept = [path.read_bytes() for path in (tmp_path / "pacs").rglob("*") if path.is_file()]
    assert (
        sum(content[128:132] == b"DICM" and REPORT_UID.encode() in content for content in kept) == 1
    )
