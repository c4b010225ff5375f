"""A live node and real peers: DCMTK pushes, the node dies and comes back, and reports reach a PACS
that was down.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from dicom_node.registry.registry import Registry, StudyState, StudySummary
from tests.support import ROOT
from tests.support.ports import free_port

pytestmark = [pytest.mark.peers, pytest.mark.real_data]

KEY = "a key that is only used in tests"
SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.34"
PATIENCE_S = 60.0

Find = Callable[[str], str]


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.05)


@dataclass
class LiveNode:
    """A node in a process of its own, on a free port, in a temporary folder."""

    folder: Path
    storescu: str
    quiet_period_s: float = 600.0
    port: int = field(default_factory=free_port)
    pacs_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "node.log"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "annulus.toml").write_text(
            f"""
            [node]
            port = {self.port}
            folder = "{self.folder / "data"}"
            quiet_period_s = {self.quiet_period_s}
            sweep_interval_s = 0.1
            delivery_first_retry_s = 0.2
            delivery_longest_retry_s = 0.5
            [center.alpha]
            ae_titles = ["ALPHA", "PACS"]
            [center.alpha.return_to]
            ae_title = "PACS"
            host = "127.0.0.1"
            port = {self.pacs_port}
            """,
            encoding="utf-8",
        )
        already = (
            self.log.read_text(encoding="utf-8").count("node ready") if self.log.exists() else 0
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "dicom_node",
                    "--settings",
                    str(self.folder / "annulus.toml"),
                ],
                cwd=ROOT,
                env={**os.environ, "ANNULUS_PSEUDONYM_KEY": KEY, "TCP_NODELAY": "1"},
                stderr=log,
                stdout=log,
            )
        process = self.process

        def is_ready() -> bool:
            text = self.log.read_text(encoding="utf-8")
            assert process.poll() is None, text
            return text.count("annulus dicom node ready: AE ANNULUS at 127.0.0.1") > already

        _until(is_ready, "the node")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    def push_command(self, files: Sequence[Path], calling: str = "ALPHA") -> list[str]:
        call = [
            self.storescu,
            "-v",
            "-aet",
            calling,
            "-aec",
            "ANNULUS",
            "127.0.0.1",
            str(self.port),
        ]
        return call + [str(file) for file in files]

    def push(
        self, files: Sequence[Path], calling: str = "ALPHA"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.push_command(files, calling),
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 3,
            env={**os.environ, "TCP_NODELAY": "1"},
        )

    def registry(self) -> Registry:
        return Registry(
            f"sqlite:///{self.folder / 'data' / 'registry.sqlite'}",
            self.folder / "data" / "archive",
        )

    def studies(self) -> list[StudySummary]:
        registry = self.registry()
        try:
            return registry.studies.summaries()
        finally:
            registry.close()

    def outbox(self) -> tuple[dict[str, int], list[str]]:
        """Return the counts of the outbox and the content digests of the studies."""
        registry = self.registry()
        try:
            digests = [
                registry.outbox.files(one.study_key).content_digest
                for one in registry.studies.summaries()
            ]
            return registry.outbox.counts(), digests
        finally:
            registry.close()

    def incidents(self) -> list[str]:
        registry = self.registry()
        try:
            return [one.kind for one in registry.incidents.latest()]
        finally:
            registry.close()


@pytest.fixture
def node(tmp_path: Path, peer: Find) -> Iterator[LiveNode]:
    node = LiveNode(tmp_path / "live", peer("storescu"))
    yield node
    if node.process is not None and node.process.poll() is None:
        node.kill()


def _files(folder: Path) -> tuple[list[Path], Path]:
    return sorted((folder / "ct").glob("*.dcm")), next((folder / "rtstruct").glob("*.dcm"))


def _orders(slices: list[Path], drawn: Path) -> list[list[Path]]:
    mixed = [*slices, drawn]
    random.Random(7).shuffle(mixed)
    return [[*slices, drawn], [drawn, *slices], mixed]


def _one_row(node: LiveNode) -> str:
    counts, digests = node.outbox()
    assert counts == {"waiting": 1, "claimed": 0, "held": 0, "done": 0}
    assert [one.state for one in node.studies()] == [StudyState.QUEUED]
    assert [one.instances for one in node.studies()] == [61]
    (digest,) = digests
    return digest


def test_pat1_in_every_order_and_twice_is_one_row(
    tmp_path: Path, peer: Find, real_data: Path
) -> None:
    digests = set()
    for number, order in enumerate(_orders(*_files(real_data / "pat1"))):
        node = LiveNode(tmp_path / f"live{number}", peer("storescu"))
        node.start()
        for _ in range(2):
            done = node.push(order)
            assert done.returncode == 0, done.stderr
            digests.add(_one_row(node))
        assert node.stop() == 0
    assert len(digests) == 1


def test_what_was_stored_is_what_was_sent(node: LiveNode, real_data: Path) -> None:
    slices, drawn = _files(real_data / "pat1")
    node.start()
    node.push([*slices, drawn])
    registry = node.registry()
    files = registry.outbox.files(node.studies()[0].study_key)
    registry.close()
    sent = {str(dcmread(path).SOPInstanceUID): dcmread(path) for path in (*slices, drawn)}
    for kept in (files.rtstruct, *files.ct):
        assert dcmread(kept.path) == sent[kept.sop_instance_uid]
    assert len(files.ct) == 60


@pytest.mark.parametrize("patient", ["STS_001", "STS_019"])
def test_an_sts_patient_is_matched_after_the_quiet_period(
    tmp_path: Path, peer: Find, real_data: Path, patient: str
) -> None:
    node = LiveNode(tmp_path / "live", peer("storescu"), quiet_period_s=1.0)
    slices, drawn = _files(real_data / "sts" / patient)
    node.start()
    try:
        assert node.push([*slices, drawn]).returncode == 0
        _until(lambda: node.studies()[0].state is StudyState.QUEUED, "the quiet period")
        registry = node.registry()
        files = registry.outbox.files(node.studies()[0].study_key)
        registry.close()
    finally:
        node.kill()
    assert len(files.ct) == len(slices)
    (warning,) = files.warnings
    assert (
        f"of which 0 are here; matched with {len(slices)} slices by Frame of Reference and geometry"
        in warning
    )


@pytest.mark.slow
def test_killed_in_the_middle_of_pushes_it_ends_in_the_same_state(
    node: LiveNode, tmp_path: Path, real_data: Path
) -> None:
    slices, drawn = _files(real_data / "pat1")
    untouched = LiveNode(tmp_path / "untouched", node.storescu)
    untouched.start()
    untouched.push([*slices, drawn])
    expected = _one_row(untouched)
    untouched.stop()
    node.start()
    archive = node.folder / "data" / "archive"
    for enough in (5, 20, 45):
        pushing = subprocess.Popen(
            node.push_command([drawn, *slices]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until(lambda least=enough: len(list(archive.rglob("*.dcm"))) >= least, f"{enough} files")  # type: ignore[misc]
        node.kill()
        pushing.wait(timeout=PATIENCE_S)
        stored = {
            str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            for path in archive.rglob("*.dcm")
        }
        assert len(stored) >= enough
        node.start()
        registry = node.registry()
        assert len(registry.instances.paths()) == len(list(archive.rglob("*.dcm")))
        registry.close()
    assert node.push([drawn, *slices]).returncode == 0
    assert _one_row(node) == expected
    assert node.incidents() == []


def test_an_unknown_caller_is_rejected_and_the_next_one_served(
    node: LiveNode, real_data: Path
) -> None:
    slices, _ = _files(real_data / "pat1")
    node.start()
    rejected = node.push(slices[:1], calling="NOBODY")
    assert rejected.returncode != 0
    assert "Calling AE Title Not Recognized" in rejected.stderr + rejected.stdout
    assert node.push(slices[:1]).returncode == 0
    _until(lambda: node.incidents() == ["unknown-caller"], "the incident")


def _broken_copies(folder: Path, slices: list[Path]) -> tuple[Path, Path]:
    """Return a slice whose pixel data is cut off, and one with other pixels under the same UID."""
    cut, other = dcmread(slices[0]), dcmread(slices[1])
    cut.PixelData = cut.PixelData[:1000]
    other.PixelData = bytes(len(other.PixelData))
    for dataset, name in ((cut, "cut.dcm"), (other, "other.dcm")):
        dataset.save_as(folder / name)
    return folder / "cut.dcm", folder / "other.dcm"


def test_damaged_and_changed_slices_are_refused_and_quarantined_and_nothing_is_lost(
    node: LiveNode, tmp_path: Path, real_data: Path
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
    assert len(list((node.folder / "data" / "quarantine").rglob("*.dcm"))) == 2


def test_no_identifier_is_in_the_log_or_in_a_path(
    node: LiveNode, tmp_path: Path, real_data: Path
) -> None:
    slices, drawn = _files(real_data / "sts" / "STS_001")
    cut, _ = _broken_copies(tmp_path, slices)
    node.start()
    assert node.push([cut]).returncode != 0
    assert node.push([*slices, drawn]).returncode == 0
    dataset = dcmread(slices[0], stop_before_pixels=True)
    assert node.stop() == 0
    text = node.log.read_text(encoding="utf-8")
    text += "\n".join(str(path) for path in (node.folder / "data").rglob("*"))
    assert "refused an instance" in text
    for identifier in (
        dataset.PatientID,
        dataset.StudyInstanceUID,
        dataset.SeriesInstanceUID,
        dataset.SOPInstanceUID,
    ):
        assert str(identifier) not in text


def _report(path: Path) -> Path:
    """Write the smallest SR that a PACS indexes."""
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    report.SOPClassUID = SR_CLASS
    report.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    report.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    report.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.3"
    report.PatientID = "17"
    report.PatientName = "Synthetic^Nobody"
    report.Modality = "SR"
    report.save_as(path, enforce_file_format=True)
    return path


def _finish(node: LiveNode, report: Path) -> None:
    registry = node.registry()
    item = registry.outbox.claim("test", 60)
    assert item is not None
    registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, report
    )
    registry.close()


def _undelivered_attempts(node: LiveNode) -> int:
    registry = node.registry()
    attempts = sum(delivery.attempts for delivery, _, _ in registry.deliveries.undelivered())
    registry.close()
    return attempts


def _storescp(program: str, port: int, folder: Path) -> list[str]:
    return [program, "-aet", "PACS", "-od", str(folder), str(port)]


def _orthanc(program: str, port: int, folder: Path) -> list[str]:
    configuration = {
        "DicomAet": "PACS",
        "DicomPort": port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "HttpServerEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    return [program, str(folder / "orthanc.json")]


@pytest.mark.parametrize(("program", "command"), [("storescp", _storescp), ("Orthanc", _orthanc)])
def test_a_report_waits_for_a_pacs_that_is_down_and_is_delivered_once(
    node: LiveNode,
    tmp_path: Path,
    peer: Find,
    real_data: Path,
    program: str,
    command: Callable[[str, int, Path], list[str]],
) -> None:
    pacs_folder = tmp_path / "pacs"
    pacs_folder.mkdir()
    call = command(peer(program), node.pacs_port, pacs_folder)
    slices, drawn = _files(real_data / "pat1")
    node.start()
    node.push([*slices, drawn])
    _finish(node, _report(tmp_path / "report.dcm"))
    _until(lambda: _undelivered_attempts(node) >= 2, "two failed attempts")
    assert [one.delivered for one in node.studies()] == [False]
    with (tmp_path / "pacs.log").open("wb") as log:
        pacs = subprocess.Popen(
            call, stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1"}
        )
    try:
        _until(lambda: [one.delivered for one in node.studies()] == [True], "the delivery")
    finally:
        pacs.terminate()
        pacs.wait(timeout=PATIENCE_S)
    kept = [path.read_bytes() for path in pacs_folder.rglob("*") if path.is_file()]
    assert (
        sum(content[128:132] == b"DICM" and b"1.3680043.8.498.1" in content for content in kept)
        == 1
    )
