"""The disk fails at each step of a reception: no success is given on the strength of what failed,
nothing half is left, the association goes on, and what comes again is kept.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable

import pytest

from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from dicom_node.scp.listener import Listener
from tests.support import wire
from tests.support.failing_disk import (
    FAILS,
    FSYNC_FILE,
    FSYNC_FOLDER,
    LINK,
    REMOVE,
    FailingDisk,
)
from tests.support.intake_bench import Bench, ct_slice, encode
from tests.support.kept_instances import kept_instances
from tests.support.part10 import read_part10
from tests.support.wire import Wire

Start = Callable[..., Listener]

NO_SPACE, NOT_WRITABLE = 0xA700, 0xA701


def _push(peer: Wire, number: int) -> int:
    """Send the only slice of a study of its own, and return the status."""
    dataset = ct_slice(0, study=f"1.7.{number}", series=f"1.7.{number}.1")
    content = encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    return peer.status(wire.store(str(dataset.SOPInstanceUID), content))


def _steps(disk: FailingDisk, peer: Wire) -> list[str]:
    """Return the steps of a push that nothing goes wrong in, in a study of its own."""
    assert _push(peer, 999) == 0  # the folders above a study are there from now on
    _wait_for_the_end(peer)
    disk.heal()
    assert _push(peer, 1000) == 0
    _wait_for_the_end(peer)
    return list(disk.steps)


def _wait_for_the_end(peer: Wire) -> None:
    """Let the node be done with the last message: its file is removed after the answer."""
    assert peer.status(wire.data(wire.value(1, wire.echo_request(), is_command=True))) == 0


@pytest.mark.parametrize("only_once", [True, False], ids=["once", "until it is mended"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errno.EIO, NOT_WRITABLE),
        (errno.ENOSPC, NO_SPACE),
        (errno.EROFS, NOT_WRITABLE),
        (errno.EMFILE, NOT_WRITABLE),
    ],
    ids=lambda one: errno.errorcode.get(one, ""),
)
def test_a_step_that_fails_is_answered_and_the_same_push_succeeds_after_it(
    start: Start,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    status: int,
    only_once: bool,
) -> None:
    disk = FailingDisk(bench.folder, monkeypatch)
    with Wire.to(start().port).open() as peer:
        steps = _steps(disk, peer)
        answered = []
        for number, step in enumerate(steps):
            if step not in FAILS[error]:
                continue
            disk.fail(error, number, only_once=only_once)
            answered.append(_push(peer, number))
            _wait_for_the_end(peer)
            if answered[-1]:
                for left in bench.archive.files():  # whole, if it could not be taken back
                    assert read_part10(left.path).dataset.endswith(b"\7\0" * 80)
            disk.heal()
            assert _push(peer, number) == 0, step
            _wait_for_the_end(peer)
            if answered[-1]:
                # Known good: its own bytes, then its name, whatever became of the first try's.
                again = disk.steps
                synced = again.index(FSYNC_FILE) < again.index(LINK)
                assert synced < len(again) - again[::-1].index(FSYNC_FOLDER)
                assert again.index(LINK) < len(again) - 1 - again[::-1].index(FSYNC_FOLDER)
        # The temporary file is removed when the answer has been given.
        late = [0] if error == errno.EROFS and steps[-1] == REMOVE else []
        assert answered == [status] * (len(answered) - len(late)) + late
        assert len(answered) >= 3
        assert peer.ask(wire.RELEASE)[0] == wire.RELEASED
    assert len(kept_instances(bench.registry, bench.archive.instances)) == len(answered) + 2
    again_open = bench.reopen()
    assert not list((again_open.archive.instances / ".tmp").iterdir())
    assert len(list(again_open.archive.files())) == len(answered) + 2
    again_open.close()


def test_what_is_missing_is_said_for_who_can_give_it(
    start: Start, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk(bench.folder, monkeypatch)
    with Wire.to(start().port).open() as peer:
        disk.fail(errno.EMFILE, 0, only_once=True)
        assert _push(peer, 1) == NOT_WRITABLE
    (incident,) = bench.registry.incidents.latest()
    assert "Too many open files" in incident.sentence
    assert "LimitNOFILE" in incident.sentence


def test_a_temporary_file_that_cannot_be_removed_is_logged_and_left_to_the_next_start(
    start: Start,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    close = os.close
    failed: list[int] = []

    def failing_close(descriptor: int) -> None:
        close(descriptor)  # the kernel has let go of it, whatever it says
        if not failed:
            failed.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk = FailingDisk(bench.folder, monkeypatch)
    with Wire.to(start().port).open() as peer, caplog.at_level(logging.ERROR):
        steps = _steps(disk, peer)
        disk.fail(errno.EROFS, len(steps) - 1, only_once=True)
        assert _push(peer, 1) == 0
        _wait_for_the_end(peer)
        disk.heal()
        assert len(list((bench.archive.instances / ".tmp").iterdir())) == 1
        incoming = bench.archive.begin(read_part10(next(bench.archive.files()).path))
        with monkeypatch.context() as patched:
            patched.setattr(os, "close", failing_close)
            incoming.discard()
        assert not incoming.path.exists()
        assert _push(peer, 2) == 0
    words = [one.message for one in caplog.records if "temporary file" in one.message]
    assert len(words) == 2
    assert "the next start does it; check" in words[0]
