"""Whether a pseudonym key is the one that an archive was made with; asked by whoever makes
pseudonyms, so that nothing is ever kept under names that nobody else knows.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dicom_node.durable_files import write_durably
from dicom_node.errors import ArchiveError
from dicom_node.pseudonym import key_fingerprint

_MARKER = ".key-fingerprint"


def check_key(folder: Path, key: bytes) -> None:
    """Refuse another key than the archive's; the first key that an archive sees is its own.

    Parameters
    ----------
    folder : Path
        The node's folder.
    key : bytes
        The pseudonym key.

    Raises
    ------
    ArchiveError
        If the archive was made with another key.
    """
    check_fingerprint(folder, key_fingerprint(key))


def check_fingerprint(folder: Path, fingerprint: str) -> None:
    """As `check_key`, by the key's fingerprint."""
    instances = folder / "archive"
    instances.mkdir(parents=True, exist_ok=True)
    marker = instances / _MARKER
    if not marker.exists():
        with suppress(FileExistsError):  # somebody else was first, and is held against it below
            write_durably(marker, fingerprint.encode(), new=True)
    if marker.read_text(encoding="ascii") != fingerprint:
        raise ArchiveError(
            f"The archive in {folder} was made with another pseudonym key: give back "
            "ANNULUS_PSEUDONYM_KEY the key it was made with, in annulus.env beside the settings "
            "(and check whether this shell sets another one), or start with a new folder; nothing "
            "was changed."
        )
