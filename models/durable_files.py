"""Files that are there in full or not at all; written here again, because `models` imports no other
package.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write a file under another name, bring it to the disk, and only then give it its name.

    Parameters
    ----------
    path : Path
        The file; one that is there is replaced. Only one process may write it at a time.
    content : bytes
        All of it.

    Raises
    ------
    OSError
        If the file system does not take it; what was there before is unchanged.
    """
    # Always the same name, so that trainings that were killed leave one such file at most.
    unfinished = path.with_name(f".{path.name}.partial")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring the bytes of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
