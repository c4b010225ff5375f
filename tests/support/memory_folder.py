"""A temporary folder that costs no disk, where the machine has one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of ours is made in it


@contextmanager
def memory_folder(prefix: str) -> Iterator[Path]:
    """Make a folder in the memory, or else where temporary files lie, and remove it in the end."""
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=where) as name:
        yield Path(name)
