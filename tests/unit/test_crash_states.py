"""What a crash may leave, from calls that are written down: the model behind ``make
crash-states``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.disk_recorder import record_disk
from tests.support.recorded_disk import (
    ROOT,
    Contents,
    Cut,
    Done,
    Forget,
    Move,
    Name,
    Operation,
    Recording,
    Sync,
    Write,
    crash_states,
)
from tests.support.system_calls import SystemCall, read_calls, strace

A, B = 1, 2


def _recording(*steps: Operation | int | str) -> Recording:
    """Return what was done one after the other: operations, fsyncs of what has that number, and
    promises.
    """
    done: list[Done] = []
    syncs: list[Sync] = []
    promises: list[tuple[int, str]] = []
    for moment, step in enumerate(steps):
        if isinstance(step, int):
            syncs.append(Sync(step, moment, moment))
        elif isinstance(step, str):
            promises.append((moment, step))
        else:
            done.append(Done(step, moment))
    return Recording(frozenset({ROOT}), tuple(done), tuple(syncs), tuple(promises))


def _left(recording: Recording, moment: int) -> set[tuple[tuple[str, bytes | None], ...]]:
    """Return what a crash may leave after a moment: files and their bytes."""
    contents = Contents(recording)
    return {
        tuple(sorted(contents.files(one)))
        for one in crash_states(recording)
        if one.moment == moment
    }


NEW: tuple[Operation, ...] = (Name(ROOT, "a", A), Write(A, 0, b"one"))


def test_without_an_fsync_anything_may_be_left() -> None:
    assert _left(_recording(*NEW), 1) == {(), (("a", b""),), (("a", b"one"),), (("a", b"o"),)}


def test_the_fsync_of_a_file_keeps_its_bytes_and_not_its_name() -> None:
    assert _left(_recording(*NEW, A), 2) == {(), (("a", b"one"),)}


def test_the_fsync_of_a_folder_keeps_a_name_and_not_the_bytes() -> None:
    assert _left(_recording(*NEW, ROOT), 2) == {(("a", b""),), (("a", b"one"),), (("a", b"o"),)}


def test_after_both_there_is_one_state() -> None:
    assert _left(_recording(*NEW, A, ROOT), 3) == {(("a", b"one"),)}


def test_an_fsync_that_began_before_a_write_ended_says_nothing_of_it() -> None:
    done = tuple(Done(one, moment) for moment, one in enumerate(NEW))
    early = Recording(frozenset({ROOT}), done, (Sync(A, 0, 3), Sync(ROOT, 3, 4)))
    assert (("a", b""),) in _left(early, 4)


def test_each_write_may_be_lost_alone_and_leaves_a_hole() -> None:
    steps = (Name(ROOT, "a", A), ROOT, Write(A, 0, b"one"), Write(A, 3, b"two"))
    left = {content for ((_, content),) in _left(_recording(*steps), 3)}
    assert left == {b"", b"one", b"\0\0\0two", b"onetwo", b"onet", b"\0\0\0t"}


def test_a_rename_is_all_or_nothing() -> None:
    steps = (Name(ROOT, "a", A), Name(ROOT, "b", B), ROOT, Move(ROOT, "a", ROOT, "b", A))
    left = {tuple(name for name, _ in one) for one in _left(_recording(*steps), 3)}
    assert left == {("a", "b"), ("b",)}


def test_a_name_that_was_taken_away_may_be_back_and_a_cut_undone() -> None:
    steps = (*NEW, A, ROOT, Cut(A, 1), Forget(ROOT, "a"))
    assert _left(_recording(*steps), 5) == {(), (("a", b"one"),), (("a", b"o"),)}


def test_a_write_is_torn_where_a_block_ends_on_the_disk() -> None:
    steps = (Name(ROOT, "a", A), ROOT, Write(A, 500, bytes(10000)))
    lengths = {len(content or b"") for ((_, content),) in _left(_recording(*steps), 2)}
    assert lengths == {0, 512, 4096, 5500, 10500}


def test_what_is_promised_counts_from_the_moment_at_which_it_is_told() -> None:
    recording = _recording(*NEW, "a is kept", A)
    assert [recording.promised(moment) for moment in (1, 2)] == [
        frozenset(),
        frozenset({"a is kept"}),
    ]
    assert {one.moment for one in crash_states(recording, every=100)} >= {0, 2}


def test_states_with_the_same_bytes_have_the_same_digest_and_no_others() -> None:
    recording = _recording(*NEW, Name(ROOT, "b", B), A, ROOT)
    contents = Contents(recording)
    found: dict[bytes, set[object]] = {}
    for one in crash_states(recording):
        found.setdefault(contents.digest(one, "-shm"), set()).add(
            tuple(sorted(contents.files(one)))
        )
    assert all(len(same) == 1 for same in found.values())
    assert len({next(iter(same)) for same in found.values()}) == len(found)


def _hex(text: str | bytes) -> str:
    return "".join(f"\\x{one:02x}" for one in (text.encode() if isinstance(text, str) else text))


def _record(*lines: str) -> str:
    return "\n".join(lines) + "\n"


AT, FD = f"AT_FDCWD<{_hex('/')}>", f"3<{_hex('/disk/a')}>"
OPENED = f'10 openat({AT}, "{_hex("/disk/a")}", O_RDWR|O_CREAT|O_CLOEXEC, 0640) = {FD}'


def _recorded(*lines: str) -> Recording:
    return record_disk(
        read_calls(_record(*lines)),
        Path("/disk"),
        lambda told: [told.decode()] if told.startswith(b"kept") else [],
    )


def test_calls_of_several_threads_are_put_together_again() -> None:
    recording = _recorded(
        OPENED,
        f'10 write({FD}, "{_hex("on")}", 2) = 2',
        f"11 fsync({FD} <unfinished ...>",
        f'10 write({FD}, "{_hex("e")}", 1) = 1',
        "11 <... fsync resumed>) = 0",
        f'12 sendto(5<{_hex("socket:[1]")}>, "{_hex("kept a")}", 6, 0, NULL, 0) = 6',
        "10 +++ exited with 0 +++",
    )
    assert recording == Recording(
        frozenset({ROOT}),
        (Done(Name(ROOT, "a", A), 0), Done(Write(A, 0, b"on"), 1), Done(Write(A, 2, b"e"), 3)),
        (Sync(A, 2, 4),),
        ((5, "kept a"),),
    )
    assert recording.on_disk_at == (float("inf"), 4, float("inf"))


def test_folders_links_renames_and_removals_are_followed() -> None:
    recording = _recorded(
        f'10 mkdir("{_hex("/disk/d")}", 0777) = 0',
        f'10 mkdir("{_hex("/disk/d")}", 0777) = -1 EEXIST (File exists)',
        OPENED,
        f'10 pwrite64({FD}, "{_hex("three")}", 5, 2) = 5',
        f"10 ftruncate({FD}, 4) = 0",
        f'10 link("{_hex("/disk/a")}", "{_hex("/disk/d/b")}") = 0',
        f'10 unlink("{_hex("/disk/a")}") = 0',
        f'10 rename("{_hex("/disk/d/b")}", "{_hex("/disk/d/c")}") = 0',
        f'10 openat({AT}, "{_hex("/elsewhere")}", O_RDONLY) = 4<{_hex("/elsewhere")}>',
    )
    *_, last = (one for one in crash_states(recording) if one.fate == "all kept")
    assert dict(Contents(recording).files(last)) == {"d": None, "d/c": b"\0\0th"}


@pytest.mark.parametrize(
    "line",
    [
        f"10 fallocate({FD}, 0, 0, 100) = 0",
        f'10 symlink("{_hex("/disk/a")}", "{_hex("/disk/b")}") = 0',
        f'10 rename("{_hex("/elsewhere")}", "{_hex("/disk/b")}") = 0',
        f'10 write({FD}, "{_hex("cut off")}"..., 100000) = 100000',
        "10 this is no call",
        "no record at all",
    ],
)
def test_what_is_not_understood_is_no_record(line: str) -> None:
    with pytest.raises(ValueError, match=r"not understood|not known|that is none|part of its data"):
        _recorded(OPENED, line)


def test_a_call_says_its_numbers_and_texts() -> None:
    (call,) = read_calls(f'10 pwrite64({FD}, "{_hex("ab")}", 2, 4096) = 2\n')
    assert call == SystemCall("pwrite64", f'{FD}, "{_hex("ab")}", 2, 4096', 2, 0, 0)
    assert (call.texts, call.numbers) == ((b"ab",), (2, 4096))
    assert call.descriptors == (("3", "/disk/a"),)


@pytest.mark.parametrize(
    ("program", "reason"),
    [(None, "strace is not installed"), ("#!/bin/sh\nexit 1\n", "may not watch processes")],
)
def test_where_calls_cannot_be_watched_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, reason: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ANNULUS_REQUIRE_PEERS", raising=False)
    monkeypatch.delenv("ANNULUS_REQUIRE_STRACE", raising=False)
    if program is not None:
        (tmp_path / "strace").write_text(program)
        (tmp_path / "strace").chmod(0o700)
    with pytest.raises(pytest.skip.Exception, match=reason):
        strace(tmp_path / "calls")
