"""Files that are whole or absent: in which order they reach the disk, and what a failure leaves."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dicom_node.durable_files import write_durably


def test_bytes_reach_the_disk_before_the_name_and_the_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, bool]] = []
    target, fsync = tmp_path / "new" / "deeper" / "report.dcm", os.fsync

    def record(descriptor: int) -> None:
        steps.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, target.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write_durably(target, b"whole")
    (file,) = [name for name, _ in steps if name.startswith(".report.dcm.")]
    assert steps == [
        ("new", False),
        (tmp_path.name, False),
        (file, False),
        ("deeper", True),
    ]
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_full_disk_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "parts.json"
    write_durably(target, b"before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(target, b"after")
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_must_be_new_is_never_replaced(tmp_path: Path) -> None:
    secrets = tmp_path / "annulus.env"
    write_durably(secrets, b"the key", mode=0o600, new=True)
    assert secrets.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_durably(secrets, b"another key", mode=0o600, new=True)
    assert secrets.read_bytes() == b"the key"
    assert list(tmp_path.iterdir()) == [secrets]


def test_permissions_are_those_of_any_new_file_unless_others_are_asked_for(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_durably(tmp_path / "durable", b"")
    assert (tmp_path / "durable").stat().st_mode == plain.stat().st_mode


def test_of_several_writers_at_once_one_wins_whole(tmp_path: Path) -> None:
    target, contents = tmp_path / "same", [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda content: write_durably(target, content), contents * 4))
    assert target.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [target]
