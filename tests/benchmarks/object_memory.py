"""By how much one object raises the peak of memory of what takes it in: ``python -m
tests.benchmarks.object_memory FILE``, or ``--structure NAME --mb 64`` for one that is made.

The file is received piece by piece, archived and indexed in a process of its own, after a small
study. The output is JSON: MB over what was resident before, processor seconds, the verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dicom_node.archive.part10 import read_meta
from dicom_node.errors import NodeError
from dicom_node.intake.announcement import StoreCommand
from dicom_node.intake.object_on_its_way import ObjectOnItsWay
from tests.benchmarks.ingest_study import write_large_object
from tests.support import ROOT
from tests.support.intake_bench import Bench, rtstruct
from tests.support.large_objects import MORE_STRUCTURES, STRUCTURES, write_structure
from tests.support.processes import memory

_PIECE_BYTES = 1 << 16
_LARGEST = 1 << 32


def memory_of(path: Path) -> dict[str, float | str]:
    """Return what `main` prints about a file, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.object_memory", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float | str] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(path: Path) -> int:
    """Take a file in, and print what it cost."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        bench = Bench(Path(folder))
        bench.push(rtstruct(["1.2.7.1.1"], study="1.2.7", sop="1.2.7.9.1"))
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (proc(5))
        before = memory(os.getpid(), "VmRSS")
        start = time.process_time()
        verdict = _take(bench, path)
        taken = time.process_time() - start
        peak = memory(os.getpid(), "VmHWM")
        bench.close()
    print(
        json.dumps(
            {
                "mb": round((peak - before) / 1e6, 1),
                "cpu_s": round(taken, 1),
                "verdict": verdict,
            }
        )
    )
    return 0


def _take(bench: Bench, path: Path) -> str:
    meta, start = read_meta(path)
    command = StoreCommand(
        meta.sop_class_uid, meta.sop_instance_uid, meta.sop_class_uid, meta.transfer_syntax
    )
    arriving = ObjectOnItsWay(bench.intake, "alpha", command, _LARGEST)
    error: NodeError | None
    try:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_PIECE_BYTES):
                arriving.write(piece)
        error = arriving.finish()
    finally:
        arriving.discard()
    bench.intake.flush()
    return str(error) if error else "kept"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--structure", choices=[*STRUCTURES, *MORE_STRUCTURES, "slice"])
    parser.add_argument("--mb", type=int, default=64)
    options = parser.parse_args()
    if options.file is not None:
        sys.exit(main(options.file))
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "made.dcm"
        if options.structure == "slice":
            write_large_object(made, options.mb)
        else:
            write_structure(made, options.structure, options.mb * 10**6)
        print(json.dumps(memory_of(made)))
