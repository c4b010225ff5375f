"""Lines of logs and notes that name a person go; every other byte stays."""

from __future__ import annotations

from pathlib import Path

from dicom_node.durable_files import write_durably
from flows.erasure.search import Names


def take_lines_out(path: Path, names: Names) -> int:
    """Take the lines out that name a person, and return how many."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not names.are_in(line)]
    if len(kept) < len(lines):
        write_durably(path, b"".join(kept))
    return len(lines) - len(kept)
