"""Every state that a crash may leave: ``python -m tests.torture.crash_states``.

A node receives studies over associations and STOW-RS while strace writes down every system call
that changes its folder, and when a sender was told that an object is kept. After each call the
states are built that a crash may leave: all that was not fsynced lost, all of it kept, each alone
lost, each alone kept, names without bytes and bytes without names, the last write torn. In each of
them, those with the same bytes once, a node starts: every object that had been answered with
success must be there, byte for byte, no half one beside it, and the registry must say what the
archive holds. ``--without files`` or ``folders`` leaves out their fsyncs, to see that losses are
found. The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from unittest import mock
from urllib.request import urlopen

import pytest
from pydicom.dataset import Dataset

from deploy.local.processes import free_port
from dicom_node.center import Center
from dicom_node.errors import NodeError
from dicom_node.node import Node
from dicom_node.registry.registry import StudyState
from dicom_node.settings import token_variable
from tests.support import wire
from tests.support.dicom_datasets import set_pixels
from tests.support.disk_recorder import record_disk
from tests.support.intake_bench import SetClock, ct_slice, encode, rtstruct
from tests.support.kept_instances import kept_instances
from tests.support.memory_folder import memory_folder
from tests.support.node_process import KEY, NodeProcess
from tests.support.recorded_disk import Contents, Recording, State, crash_states
from tests.support.settings_tables import center_table, node_settings
from tests.support.stow_bodies import TOKEN, part10_file, stow_request
from tests.support.system_calls import is_whole, read_calls, strace
from tests.support.waiting import wait_until
from tests.support.wire import Wire, context

_EXPLICIT = "1.2.840.10008.1.2.1"
_CT, _RTSTRUCT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3"
_CONTEXTS = (context(3, _CT, _EXPLICIT), context(5, _RTSTRUCT, _EXPLICIT))
_SIDE = 64  # pixels; so that a slice is longer than a page
_SLICES = 3
_NODE = (
    "quiet_period_s = 0.2\nsweep_interval_s = 0.1\nminimum_free_bytes = 0\n"
    "network_timeout_s = 60\nrequest_timeout_s = 60"
)
_SHARED_MEMORY = "registry.sqlite-shm"
"""SQLite makes it anew after a crash; it is written through the memory, which strace cannot see."""


@dataclass(frozen=True)
class Reception:
    """What a node received, and what it did to its disk.

    Parameters
    ----------
    recording : Recording
        What was done; its promises are the SOP Instance UIDs that were answered with success.
    sent : mapping of str to str
        SHA-256 of the dataset of each object, by its SOP Instance UID.
    studies : mapping of str to frozenset of str
        Study Instance UID -> its objects.
    """

    recording: Recording
    sent: Mapping[str, str]
    studies: Mapping[str, frozenset[str]]


@dataclass
class Verdict:
    """What was found in the states that a crash may leave.

    Parameters
    ----------
    calls, syncs, acknowledged : int
        Operations, fsyncs and answers with success that were recorded.
    states, distinct, started : int
        States enumerated; those of them with different bytes; those in which a node was started.
    losses : int
        Objects that had been acknowledged and are not there, summed over the states.
    half : int
        Archived files that are not what was sent.
    disagreements : int
        States after whose start the registry does not say what the archive holds, or holds a study
        that is whole and not queued once.
    starts_failed : int
        States in which the node does not start.
    fates : mapping of str to int
        States by what became of what was not on the disk for certain.
    examples : list of str
        The first states in which something is wrong.
    """

    calls: int
    syncs: int
    acknowledged: int
    states: int = 0
    distinct: int = 0
    started: int = 0
    losses: int = 0
    half: int = 0
    disagreements: int = 0
    starts_failed: int = 0
    fates: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.losses or self.half or self.disagreements or self.starts_failed)


def receive(folder: Path) -> Reception:
    """Let a node receive studies, and return what it did to its disk.

    Parameters
    ----------
    folder : Path
        An empty folder.
    """
    disk, record = folder / "disk", folder / "calls"
    disk.mkdir()
    stow_port = free_port()
    node = NodeProcess(
        folder / "node",
        f"{_NODE}\nstow_port = {stow_port}",
        center_table("alpha"),
        data=disk / "node",
        before=strace(record),
    )
    first, second, third = (_study(number) for number in (1, 2, 3))
    other = ct_slice(0, study="1.2.1", series="1.2.1.1", gray=999)
    try:
        with mock.patch.dict(os.environ, {token_variable("alpha"): TOKEN}):
            node.start()
        # Two associations at once; one sends an object again, and another under its UID.
        beside = threading.Thread(target=_associate, args=(node.port, second))
        beside.start()
        _associate(node.port, [*first, first[0], other])
        beside.join()
        _over_http(stow_port, third)
        expected = sum(map(len, (first, second, third)))
        wait_until(lambda: _queued(node) == 3, 120, "the studies are decided")
        assert len(list(node.archive.glob("*/*/*.dcm"))) == expected
        assert node.stop() == 0, node.log.read_text()
    finally:
        node.kill()
    wait_until(lambda: is_whole(record), 60, "the record is whole")
    recording = record_disk(read_calls(record.read_text()), disk, _promised)
    _check_recording(recording, disk)
    return Reception(
        recording,
        {str(one.SOPInstanceUID): _sha256(one) for one in (*first, *second, *third)},
        {
            str(study[0].StudyInstanceUID): frozenset(str(one.SOPInstanceUID) for one in study)
            for study in (first, second, third)
        },
    )


def examine(
    reception: Reception, folder: Path, part: slice = slice(None), every: int = 1
) -> Verdict:
    """Start a node in the states that a crash may leave, and return what was found.

    Parameters
    ----------
    reception : Reception
        What was received.
    folder : Path
        For the states; an empty one.
    part : slice
        In which of the distinct states a node is started; by default in all.
    every : int
        After which calls states are built; see `crash_states`.
    """
    recording = reception.recording
    verdict = Verdict(len(recording.done), len(recording.syncs), len(recording.promises))
    contents = Contents(recording)
    distinct: dict[bytes, State] = {}
    fates: Counter[str] = Counter()
    for state in crash_states(recording, every):
        fates[state.fate] += 1
        # Of states with the same bytes the last counts: until then most had been promised.
        distinct[contents.digest(state, _SHARED_MEMORY)] = state
    verdict.states, verdict.distinct, verdict.fates = fates.total(), len(distinct), dict(fates)
    for state in list(distinct.values())[part]:
        at = folder / "state"
        _lay_out(contents.files(state), at)
        _examine(reception, state, at, verdict)
        verdict.started += 1
        shutil.rmtree(at)
    return verdict


def _examine(reception: Reception, state: State, at: Path, verdict: Verdict) -> None:
    promised = reception.recording.promised(state.moment)
    try:
        kept, disagrees = _after_a_start(at / "node", reception)
    except (NodeError, OSError) as error:
        verdict.starts_failed += 1
        verdict.examples.append(f"{state.fate} at {state.moment}: no start: {error}")
        return
    lost = [uid for uid in promised if kept.get(uid) != reception.sent[uid]]
    half = [uid for uid, digest in kept.items() if digest != reception.sent.get(uid)]
    verdict.losses += len(lost)
    verdict.half += len(half)
    verdict.disagreements += bool(disagrees)
    if lost or half or disagrees:
        found = f"{len(lost)} of {len(promised)} lost, {len(half)} half, {disagrees or 'agreed'}"
        verdict.examples.append(f"{state.fate} at {state.moment}: {found}")


def _after_a_start(folder: Path, reception: Reception) -> tuple[dict[str, str], str]:
    """Start a node, and return what it keeps, and in which way its registry is wrong."""
    clock = SetClock()
    node = Node(node_settings(folder), KEY.encode(), clock)
    try:
        node.reindex()
        archive = folder / "archive"
        kept = kept_instances(node.registry, archive)
        paths = {str(path.relative_to(archive)) for path in archive.glob("*/*/*.dcm")}
        wrong = [] if node.registry.instances.paths() == paths else ["index and files differ"]
        clock.advance(3600.0)
        node.registry.studies.restart_quiet_periods()
        clock.advance(3600.0)
        node.registry.studies.settle(Center("alpha", ("ALPHA",), quiet_period_s=60.0))
        whole = sum(study <= kept.keys() for study in reception.studies.values())
        queued = sum(one.state is StudyState.QUEUED for one in node.registry.studies.summaries())
        rows = sum(node.registry.outbox.counts().values())
        if not whole <= queued == rows:
            wrong.append(f"{whole} studies are whole, {queued} queued, in {rows} rows")
        return kept, "; ".join(wrong)
    finally:
        node.stop()


def _lay_out(files: Iterator[tuple[str, bytes | None]], at: Path) -> None:
    at.mkdir()
    for path, content in files:
        if content is None:
            (at / path).mkdir()
        elif not path.endswith(_SHARED_MEMORY):
            (at / path).write_bytes(content)


def _check_recording(recording: Recording, disk: Path) -> None:
    """Hold what was recorded against the folder as it is: a record with a gap proves nothing."""
    *_, last = (one for one in crash_states(recording) if one.fate == "all kept")
    recorded = dict(Contents(recording).files(last))
    found = {
        str(path.relative_to(disk)): None if path.is_dir() else path.read_bytes()
        for path in disk.rglob("*")
    }
    assert recorded == found, f"recorded {sorted(recorded)}, found {sorted(found)}"


def _study(number: int) -> list[Dataset]:
    study, series = f"1.2.{number}", f"1.2.{number}.1"
    slices = [ct_slice(index, study=study, series=series) for index in range(_SLICES)]
    for index, one in enumerate(slices):
        gray = (100 * number + index).to_bytes(2, "little")
        set_pixels(one, _SIDE, _SIDE, gray * (_SIDE * _SIDE))
    listed = [str(one.SOPInstanceUID) for one in slices]
    return [*slices, rtstruct(listed, study=study, sop=f"{study}.9.1")]


def _sha256(dataset: Dataset) -> str:
    return hashlib.sha256(encode(dataset, _EXPLICIT)).hexdigest()


def _associate(port: int, datasets: Sequence[Dataset]) -> None:
    seen: dict[str, str] = {}
    with Wire.to(port, timeout_s=60.0) as peer:
        assert peer.ask(wire.associate(contexts=_CONTEXTS))[0] == wire.ACCEPT
        for one in datasets:
            uid, content = str(one.SOPInstanceUID), encode(one, _EXPLICIT)
            is_other = seen.setdefault(uid, _sha256(one)) != _sha256(one)
            number = 5 if one.SOPClassUID == _RTSTRUCT else 3
            command = wire.store_request(uid, str(one.SOPClassUID))
            peer.send(wire.data(wire.value(number, command, is_command=True)))
            for start in range(0, len(content), 4000):
                piece, is_last = content[start : start + 4000], start + 4000 >= len(content)
                value = wire.value(number, piece, is_command=False, is_last=is_last)
                peer.send(wire.data(value))
            kind, body = peer.receive()
            assert kind == wire.DATA
            assert wire.status_of(body) == (0xC002 if is_other else 0)
        assert peer.ask(wire.RELEASE)[0] == wire.RELEASED


def _over_http(port: int, datasets: Sequence[Dataset]) -> None:
    request = stow_request(port, *(part10_file(one) for one in datasets))
    with urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def _queued(node: NodeProcess) -> int:
    return sum(one.state is StudyState.QUEUED for one in node.studies())


def _promised(told: bytes) -> Iterator[str]:
    """Yield the SOP Instance UIDs that a C-STORE response or a response of STOW-RS calls kept."""
    if told[:1] == b"\4" and b"\0\0\0\1\2\0\0\0\1\x80" in told and wire.status_of(told[6:]) == 0:
        at = told.index(b"\0\0\0\x10") + 4
        length = int.from_bytes(told[at : at + 4], "little")
        yield told[at + 4 : at + 4 + length].decode("ascii").strip("\0 ")
    elif found := re.search(rb'\{"00081199".*\}', told, re.DOTALL):
        for item in json.loads(found[0])["00081199"]["Value"]:
            yield item["00081155"]["Value"][0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--part", default="1/1", help="start in the K-th of N parts of the states: K/N"
    )
    parser.add_argument("--every", type=int, default=1, help="build states after each N-th call")
    parser.add_argument(
        "--without", choices=("files", "folders"), help="as if these had not been fsynced"
    )
    options = parser.parse_args(arguments)
    number, _, parts = options.part.partition("/")
    part = slice(int(number) - 1, None, int(parts))
    with memory_folder("crash-states-") as folder:
        try:
            reception = receive(folder)
        except (pytest.skip.Exception, pytest.fail.Exception) as error:
            parser.error(str(error))
        if options.without:
            recording = reception.recording.without_syncs(of_folders=options.without == "folders")
            reception = Reception(recording, reception.sent, reception.studies)
        verdict = examine(reception, folder, part, options.every)
    for one in verdict.examples[:20]:
        print(one)
    verdict.examples.clear()
    print(json.dumps(asdict(verdict)))
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
