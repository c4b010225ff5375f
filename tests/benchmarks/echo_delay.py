"""How long a C-ECHO of one centre waits at most while the node receives and indexes an object of
another: ``python -m tests.benchmarks.echo_delay [--mb 64] [STRUCTURE ...]``.

The echoes come from this process, the object from ``storescu``, the node is a third process. The
output is JSON: by structure the longest delay in ms, while the object came and, before it, while
nothing did: a loaded machine delays both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.ingest_servers import node
from tests.support.dcmtk import ENVIRONMENT, storescu_command
from tests.support.large_objects import STRUCTURES, write_structure
from tests.support.wire import Wire, data, echo_request, value

_IDLE_S = 2.0
_PAUSE_S = 0.01
_ECHO = data(value(1, echo_request(), is_command=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("structures", nargs="*", default=list(STRUCTURES), metavar="STRUCTURE")
    parser.add_argument("--mb", type=int, default=64)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="echo-delay-") as folder:
        found = {
            what: echo_delays_ms(Path(folder), what, options.mb * 10**6)
            for what in options.structures
        }
    print(json.dumps(found))
    return 0


def echo_delays_ms(folder: Path, what: str, length: int) -> dict[str, float]:
    """Return the longest delays while nothing comes, and while an object of a structure does."""
    place = folder / what.replace(" ", "-")
    place.mkdir()
    path = write_structure(place / "object.dcm", what, length)
    server = node(place / "node")
    try:
        with Wire.to(server.port, timeout_s=60.0).open("OTHER") as peer:
            until = time.monotonic() + _IDLE_S
            idle = _longest_s(peer, lambda: time.monotonic() < until)
            command = storescu_command("storescu", server.port, [path], "BENCH", "-xi")
            pushing = subprocess.Popen(
                command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            busy = _longest_s(peer, lambda: pushing.poll() is None)
        assert pushing.returncode == 0, f"storescu ended with {pushing.returncode}"
        assert server.count() == 1, "the object was not kept"
    finally:
        server.stop()
        path.unlink()
    return {"idle_ms": round(1000 * idle, 1), "busy_ms": round(1000 * busy, 1)}


def _longest_s(peer: Wire, goes_on: Callable[[], bool]) -> float:
    longest = 0.0
    while goes_on():
        began = time.perf_counter()
        assert peer.status(_ECHO) == 0
        longest = max(longest, time.perf_counter() - began)
        time.sleep(_PAUSE_S)
    return longest


if __name__ == "__main__":
    sys.exit(main())
