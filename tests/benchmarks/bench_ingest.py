"""Ingest against Debian's Orthanc and DCMTK's storescp, interleaved: ``python -m
tests.benchmarks.bench_ingest``.

One study of 200 CT slices and an RTSTRUCT, 105 MB, is pushed by ``storescu`` and by ``dcmsend`` on
one and on four associations; TCP_NODELAY=1 for all. Each push goes to a server with an empty
folder. The last line is JSON; its ratios are theirs over ours in seconds, and in processor seconds
of the servers: larger than 1 is faster than they are. ``mem_any_object_mb`` is the most that one
object of a hard structure adds to the memory of what takes it in, ``echo_delay_ms`` the longest
that another centre's C-ECHO waits meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from tests.benchmarks.echo_delay import echo_delays_ms
from tests.benchmarks.ingest_servers import (
    CONFIGURATIONS,
    SERVERS,
    Server,
    cpu_seconds,
    idle_associations,
)
from tests.benchmarks.ingest_study import write_large_object, write_study
from tests.benchmarks.object_memory import memory_of
from tests.support.dcmtk import ENVIRONMENT
from tests.support.large_objects import STRUCTURES, write_structure
from tests.support.peer_programs import peer_program
from tests.support.processes import memory

CLIENTS = {
    "storescu": ["-aet", "BENCH", "-aec", "ANNULUS"],
    "dcmsend": ["-aet", "BENCH", "-aec", "ANNULUS", "--no-uid-checks"],
}
HARD_BYTES = 64_000_000
_INDEXING_S = 1.0
IDLE = 100
IDLE_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and print it, the JSON line last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where everything is written; default: temporary"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-ingest-") as name:
        folder = Path(name)
        files = write_study(folder / "study", slices=200, seed=1)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        print(f"{len(files)} objects, {megabytes:.0f} MB, {options.rounds} rounds, median seconds")
        for server, what in CONFIGURATIONS.items():
            print(f"{server:14} {what}")
        seconds, cpu = _rounds(folder, files, options.rounds)
        _print_table(seconds, "s")
        _print_table(cpu, "CPU s")
        result = {
            "orthanc_1": _ratio(seconds, "orthanc", "ours", 1),
            "orthanc_4": _ratio(seconds, "orthanc", "ours", 4),
            "storescp_deferred": _ratio(seconds, "storescp", "ours-deferred", 1),
            "cpu_ratio_orthanc": _ratio(cpu, "orthanc", "ours", 1),
            "mem_any_object_mb": _memory_of_hard_objects(folder),
            "mem_500mb_mb": _memory_of_a_large_object(folder),
            "idle100_cpu_pct": _idle_cost(folder),
            "echo_delay_ms": _delay_of_others(folder),
        }
    print(json.dumps(result))
    return 0


Seconds = dict[tuple[str, str, int], list[float]]


def _rounds(folder: Path, files: list[Path], rounds: int) -> tuple[Seconds, Seconds]:
    """Return the seconds of every push by server, client and number of associations, and the
    processor seconds of the server with those of its children that have ended.
    """
    seconds: Seconds = defaultdict(list)
    cpu: Seconds = defaultdict(list)
    generator = np.random.default_rng(0)
    for _ in range(rounds):
        for client in CLIENTS:
            for associations in (1, 4):
                for name in generator.permutation(list(SERVERS)):
                    with _fresh(SERVERS[name], folder) as server:
                        before = cpu_seconds(server.pid)
                        taken = _push(client, server.port, files, associations)
                        time.sleep(_INDEXING_S)  # what is done after the last answer counts too
                        used = cpu_seconds(server.pid) - before
                        assert server.count() == len(files), (
                            f"{name} kept {server.count()} of {len(files)}"
                        )
                    seconds[str(name), client, associations].append(taken)
                    cpu[str(name), client, associations].append(used)
    return seconds, cpu


@contextmanager
def _fresh(make: Callable[[Path], Server], folder: Path) -> Iterator[Server]:
    place = folder / "server"
    place.mkdir()
    server = make(place)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(place)
        os.sync()


def _push(client: str, port: int, files: list[Path], associations: int) -> float:
    program = peer_program(client)
    assert program is not None, f"{client} is not installed: apt-get install dcmtk"
    start = time.perf_counter()
    pushing = [
        subprocess.Popen(
            [
                program,
                *CLIENTS[client],
                "127.0.0.1",
                str(port),
                *map(str, files[number::associations]),
            ],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(associations)
    ]
    codes = [one.wait() for one in pushing]  # with a time-out it would poll
    taken = time.perf_counter() - start
    assert not any(codes), f"{client} ended with {codes}"
    return taken


def _ratio(seconds: Seconds, theirs: str, ours: str, associations: int) -> float:
    """Return the median over clients and rounds of their time over ours in the same round."""
    pairs = [
        their / our
        for client in CLIENTS
        for their, our in zip(
            seconds[theirs, client, associations], seconds[ours, client, associations], strict=True
        )
    ]
    return round(median(pairs), 2)


def _print_table(seconds: Seconds, unit: str) -> None:
    for (server, client, associations), taken in sorted(seconds.items()):
        spread = f"{min(taken):.2f}-{max(taken):.2f}"
        print(
            f"{server:14} {client:9} {associations} association(s)  {median(taken):6.2f} {unit}  "
            f"({spread})"
        )


def _memory_of_hard_objects(folder: Path) -> float:
    """Return the most that one object of a hard structure adds to the peak of memory, in MB."""
    most = 0.0
    for what in ("a CT of 500 MB", *STRUCTURES):
        path = folder / "hard.dcm"
        if what in STRUCTURES:
            write_structure(path, what, HARD_BYTES)
        else:
            write_large_object(path, megabytes=500)
        found = memory_of(path)
        path.unlink()
        print(f"{what:18} {found['mb']} MB, {found['cpu_s']} CPU s, {found['verdict']}")
        assert found["verdict"] == "kept"
        most = max(most, float(found["mb"]))
    return most


def _memory_of_a_large_object(folder: Path) -> float:
    """Return by how much one object of 500 MB raises the node's peak of memory, in MB."""
    small = write_study(folder / "small", slices=4, seed=2)
    large = write_large_object(folder / "large.dcm", megabytes=500)
    with _fresh(SERVERS["ours"], folder) as server:
        _push("storescu", server.port, small, 1)
        before = memory(server.pid, "VmHWM")
        _push("storescu", server.port, [large], 1)
        after = memory(server.pid, "VmHWM")
        assert server.count() == len(small) + 1
    large.unlink()
    return round((after - before) / 1e6, 1)


def _idle_cost(folder: Path) -> float:
    """Return the processor time that 100 idle associations take, in percent of a core."""
    with _fresh(SERVERS["ours"], folder) as server:
        open_ones = idle_associations(server.port, IDLE)
        time.sleep(1.0)
        before = cpu_seconds(server.pid)
        time.sleep(IDLE_S)
        used = cpu_seconds(server.pid) - before
        assert all(_is_open(one) for one in open_ones)
        for one in open_ones:
            one.close()
    return round(100 * used / IDLE_S, 2)


def _delay_of_others(folder: Path) -> float:
    """Return how long another centre's C-ECHO waits at most while a hard object comes, in ms."""
    longest = 0.0
    for what in STRUCTURES:
        found = echo_delays_ms(folder, what, HARD_BYTES)
        print(f"{what:18} C-ECHO waits {found['busy_ms']} ms, {found['idle_ms']} ms while idle")
        longest = max(longest, found["busy_ms"])
    return longest


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    sys.exit(main())
