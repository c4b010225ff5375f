"""Files that are there in full or not at all, whatever happens to process and machine."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_durably(path: Path, content: bytes, *, mode: int = 0o666, new: bool = False) -> None:
    """Write a file under another name, bring it to the disk, and only then give it its name.

    Parameters
    ----------
    path : Path
        The file; its folder is made where it is missing.
    content : bytes
        All of it.
    mode : int
        Its permissions, less what the process's mask takes away.
    new : bool
        Whether a file that is there already stays; otherwise it is replaced.

    Raises
    ------
    FileExistsError
        If it must be new and is there already.
    OSError
        If the file system does not take it; what was there before is unchanged.
    """
    missing = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)
    # A name of its own, because several processes may write the same file at once.
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with open(  # noqa: PTH123 - takes the descriptor that was opened with the mode
            os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb"
        ) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if new:
            path.hardlink_to(unfinished)
        else:
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring the bytes of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
