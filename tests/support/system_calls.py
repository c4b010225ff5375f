"""The system calls of a process, written down by strace and read back."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.absence import absent

TRACED: Final = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,rename,renameat,renameat2,link,"
    "linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,fsync,fdatasync,sync_file_range,"
    "ftruncate,truncate,lseek,fallocate,copy_file_range,sendfile,sendto,sendmsg"
)
"""Every call that changes what a folder holds, brings it to the disk, or tells a peer."""

_LONGEST: Final = 1 << 24
_LINE: Final = re.compile(r"(\d+) +(.*)")
_WHOLE: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(<[^>]*>)?(?: .*)?")
_BEGUN: Final = re.compile(r"(\w+)\((.*) <unfinished \.\.\.>")
_RESUMED: Final = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR: Final = re.compile(r"(-?\w+)<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True)
class SystemCall:
    """One call that has ended.

    Parameters
    ----------
    name : str
        As in the manual.
    arguments : str
        As strace writes them.
    result : int
        What it returned.
    began, ended : int
        When, on a clock that counts lines of the record: what several threads do overlaps.
    """

    name: str
    arguments: str
    result: int
    began: int
    ended: int

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The strings among its arguments."""
        return tuple(_bytes(one) for one in _TEXT.findall(self.arguments))

    @property
    def descriptors(self) -> tuple[tuple[str, str], ...]:
        """The descriptors among its arguments, each with the path that it was opened under."""
        found = _DESCRIPTOR.findall(self.arguments)
        return tuple((one, _bytes(path).decode(errors="surrogateescape")) for one, path in found)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The last arguments that are plain numbers, in order."""
        found: list[int] = []
        for one in reversed(self.arguments.split(", ")):
            if not re.fullmatch(r"-?\d+", one):
                break
            found.append(int(one))
        return tuple(reversed(found))


def strace(record: Path) -> Sequence[str]:
    """Return what a command begins with whose calls are to be written down.

    The command keeps its process number, and gets the signals that are sent to it; strace runs
    beside it.
    """
    if shutil.which("strace") is None:
        absent("strace is not installed (apt-get install strace)", "ANNULUS_REQUIRE_PEERS")
    tried = subprocess.run(["strace", "-f", "true"], capture_output=True, check=False)
    if tried.returncode:
        absent("strace may not watch processes here (ptrace)", "ANNULUS_REQUIRE_STRACE")
    options = ("-D", "-f", "-y", "-xx", "-s", str(_LONGEST), "-e", f"trace={TRACED}")
    return ("strace", *options, "--seccomp-bpf", "-o", str(record))


def read_calls(record: str) -> Iterator[SystemCall]:
    """Yield the calls of a record in the order in which they ended.

    Raises
    ------
    ValueError
        If a line of it is none that strace writes.
    """
    begun: dict[str, tuple[int, str]] = {}
    for moment, line in enumerate(record.splitlines()):
        if (parts := _LINE.fullmatch(line)) is None:
            raise ValueError(f"a record of system calls holds a line that is none: {line[:200]}")
        thread, words = parts.groups()
        if words.startswith(("+++", "---")):
            continue
        if unfinished := _BEGUN.fullmatch(words):
            begun[thread] = (moment, f"{unfinished[1]}({unfinished[2]}")
            continue
        began = moment
        if resumed := _RESUMED.fullmatch(words):
            began, first = begun.pop(thread)
            words = first + resumed[1]
        if (whole := _WHOLE.fullmatch(words)) is None:
            raise ValueError(f"a record of system calls holds a call that is none: {words[:200]}")
        name, arguments, result, _ = whole.groups()
        if result == "?":
            continue  # the process ended within it
        if '"...' in arguments:
            raise ValueError(f"a record of system calls holds a part of its data only: {name}")
        yield SystemCall(name, arguments, int(result), began, moment)


def is_whole(record: Path) -> bool:
    """Say whether the process whose calls are recorded has ended, and nothing more comes."""
    return record.read_bytes().rstrip().endswith(b"+++")


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))
