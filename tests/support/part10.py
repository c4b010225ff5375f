"""Archived files read back whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dicom_node.archive.part10 import FileMeta, read_meta


@dataclass(frozen=True)
class Part10(FileMeta):
    """One instance with its dataset in memory.

    Parameters
    ----------
    dataset : bytes
        The dataset, untouched.
    """

    dataset: bytes

    @property
    def content_sha256(self) -> str:
        """SHA-256 of the dataset's bytes."""
        return hashlib.sha256(self.dataset).hexdigest()


def read_part10(path: Path) -> Part10:
    """Read an archived file back.

    Parameters
    ----------
    path : Path
        A file of the archive.

    Returns
    -------
    Part10
        Its meta information and the dataset's bytes.

    Raises
    ------
    UnreadableDatasetError
        If it is no Part 10 file.
    """
    meta, start = read_meta(path)
    with path.open("rb") as file:
        file.seek(start)
        return Part10(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax, file.read())
