"""Sudden deaths while four senders push and retry: ``python -m tests.torture.crash --kills 200
[--with ...]``.

The node is killed (SIGKILL) at random moments and started again. ``--with registry`` also deletes
its registry each time, ``--with clock`` moves the clock by up to two days while it runs, ``--with
disk`` gives it a small tmpfs that is full most of the time. In the end every acknowledged instance
must be on the disk, byte for byte, and indexed, and every study must have exactly one row in the
outbox. The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from random import Random
from shutil import disk_usage

from pydicom.dataset import Dataset

from dicom_node.registry.registry import StudyState
from tests.support import wire
from tests.support.intake_bench import ct_slice, encode, request, rtstruct
from tests.support.kept_instances import kept_instances
from tests.support.node_process import NodeProcess
from tests.support.waiting import wait_until
from tests.support.wire import Wire, context

SENDERS = 4
SLICES = 6
DISK_MB = 16
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_CONTEXTS = (wire.CONTEXTS[0], wire.CONTEXTS[1], context(5, _RTSTRUCT, _IMPLICIT))
Message = tuple[str, bytes, bytes]
"""SOP Instance UID, the dataset, and the whole C-STORE."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--with",
        dest="trouble",
        choices=("nothing", "registry", "clock", "disk"),
        default="nothing",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        result = torture(Path(name), options.kills, options.seed, options.trouble)
    print(json.dumps(result))
    return (
        0 if not any(result[key] for key in ("lost", "outbox_missing", "outbox_duplicated")) else 1
    )


def torture(folder: Path, kills: int, seed: int, trouble: str = "nothing") -> dict[str, int | str]:
    """Kill a node in `folder` so many times, and return what became of what it had acknowledged."""
    megabytes = (
        DISK_MB + kills // 2
    )  # room for what is kept until the end: the ballast fills the rest, again and again
    with (
        small_disk(folder / "disk", megabytes)
        if trouble == "disk"
        else nullcontext(folder) as place
    ):
        skewed = ("tests.torture.skewed_node", str(_clock_file(folder)))
        node = NodeProcess(
            folder,
            data=place / "data",
            module=skewed if trouble == "clock" else ("dicom_node",),
        )
        try:
            return _torture(node, kills, Random(seed), trouble)
        finally:
            node.kill()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a tmpfs of so many megabytes.

    Raises
    ------
    PermissionError
        If this user may not mount.
    """
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        raise PermissionError("a tmpfs cannot be mounted by this user")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Sender(threading.Thread):
    """Pushes studies, each instance again and again until it is answered with success."""

    def __init__(self, port: int, number: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[str, str] = {}
        self.refusals: set[int] = set()
        self.studies = 0
        self.is_last_round = threading.Event()
        self._port = port
        self._number = number
        self._random = Random(f"{seed} {number}")

    def run(self) -> None:
        """Push study after study; the one that is begun when the end is announced is the last."""
        while not self.is_last_round.is_set():
            study = f"1.2.{self._number + 1}.{self.studies + 1}"
            self.studies += 1
            self._push(_study(study, self._random))

    def _push(self, messages: list[Message]) -> None:
        waiting = list(messages)
        while waiting:
            with (
                suppress(OSError, AssertionError, ValueError),
                Wire.to(self._port, timeout_s=30) as peer,
            ):
                peer.ask(wire.associate(contexts=_CONTEXTS))
                while waiting:
                    uid, dataset, message = waiting[0]
                    if status := peer.status(message):
                        self.refusals.add(status)
                        time.sleep(0.05)
                        break
                    self.acknowledged[uid] = hashlib.sha256(dataset).hexdigest()
                    del waiting[0]
                    time.sleep(self._random.random() * 0.01)
                peer.ask(wire.RELEASE)
            if waiting:
                time.sleep(0.05)


def _study(study: str, random: Random) -> list[Message]:
    slices = [
        ct_slice(index, study=study, series=f"{study}.1", gray=random.randrange(999))
        for index in range(SLICES)
    ]
    drawn = rtstruct([str(one.SOPInstanceUID) for one in slices], study=study, sop=f"{study}.9.1")
    messages = [_message(one, request(one).dataset) for one in slices]
    messages.append(_message(drawn, encode(drawn), 5, sop_class_uid=_RTSTRUCT))
    random.shuffle(messages)
    return messages


def _message(dataset: Dataset, content: bytes, context_id: int = 3, **more: str) -> Message:
    uid = str(dataset.SOPInstanceUID)
    command = wire.store_request(uid, **more)  # type: ignore[arg-type]
    parts = (
        wire.value(context_id, command, is_command=True),
        wire.value(context_id, content, is_command=False),
    )
    return uid, content, wire.data(*parts)


def _torture(node: NodeProcess, kills: int, random: Random, trouble: str) -> dict[str, int | str]:
    node.start()
    senders = [Sender(node.port, number, random.randrange(10**6)) for number in range(SENDERS)]
    for one in senders:
        one.start()
    for _ in range(kills):
        _live(node, random, trouble)
        node.kill()
        if trouble == "registry":
            for path in node.data.glob("registry.sqlite*"):
                path.unlink()
        node.start()
    _ballast(node).unlink(missing_ok=True)
    for one in senders:
        one.is_last_round.set()
    for one in senders:
        one.join(300)
    assert not any(one.is_alive() for one in senders), "a sender did not come to its end"
    wait_until(lambda: _is_indexed(node), 600, "everything is indexed", process=node.process)
    assert node.stop() == 0, "the node did not end in order"
    return {"kills": kills, "with": trouble, **_verdict(node, senders)}


def _live(node: NodeProcess, random: Random, trouble: str) -> None:
    """Let the node live for a moment, under the trouble that was asked for."""
    moment = random.random() * 0.4
    if trouble == "clock":
        _clock_file(node.folder).write_text(str(random.randrange(-172800, 172800)))
    if trouble == "disk":
        with suppress(OSError), _ballast(node).open("wb") as file:
            file.write(
                bytes(disk_usage(node.data).free + (1 << 20))
            )  # as much as there is room for
        time.sleep(moment)
        _ballast(node).unlink()
    time.sleep(moment)


def _is_indexed(node: NodeProcess) -> bool:
    """Say whether the registry knows every file: a start leaves what takes long for later."""
    with node.registry() as registry:
        return len(registry.instances.paths()) == sum(1 for _ in node.archive.glob("*/*/*.dcm"))


def _clock_file(folder: Path) -> Path:
    """Return the file with the seconds by which the node's clock is wrong."""
    return folder / "offset"


def _ballast(node: NodeProcess) -> Path:
    return node.data.parent / "ballast"


def _verdict(node: NodeProcess, senders: list[Sender]) -> dict[str, int | str]:
    """Compare what was acknowledged with what is there."""
    acknowledged = {uid: digest for one in senders for uid, digest in one.acknowledged.items()}
    with node.registry() as registry:
        kept = kept_instances(registry, node.archive)
        studies = registry.studies.summaries()
        rows = sum(registry.outbox.counts().values())
        queued = sum(one.state is StudyState.QUEUED for one in studies)
    complete = sum(one.studies for one in senders)
    refusals = sorted({status for one in senders for status in one.refusals})
    return {
        "acknowledged": len(acknowledged),
        "lost": sum(kept.get(uid) != digest for uid, digest in acknowledged.items()),
        "studies": complete,
        "outbox_missing": complete - queued,
        "outbox_duplicated": rows - queued,
        "refused_with": " ".join(f"0x{status:04X}" for status in refusals),
    }


if __name__ == "__main__":
    sys.exit(main())
