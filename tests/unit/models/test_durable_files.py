"""Checkpoints and bundles on the disk: the bytes before the name, and the old ones until then."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from models.durable_files import write_durably


def test_bytes_reach_the_disk_before_the_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, bool]] = []
    target, fsync = tmp_path / "a.checkpoint", os.fsync

    def record(descriptor: int) -> None:
        steps.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, target.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write_durably(target, b"whole")
    assert steps == [(".a.checkpoint.partial", False), (tmp_path.name, True)]
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_stays_when_the_disk_is_full_and_the_next_write_leaves_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.checkpoint"
    write_durably(target, b"before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_durably(target, b"after, and longer")
    assert target.read_bytes() == b"before"
    write_durably(target, b"then")
    assert target.read_bytes() == b"then"
    assert list(tmp_path.iterdir()) == [target]
