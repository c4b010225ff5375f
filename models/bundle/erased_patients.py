"""How many of the patients that trained a bundle have been erased since: in a file beside the
bundle's folder, because a bundle itself cannot change.
"""

from __future__ import annotations

import json
from pathlib import Path

from models.durable_files import write_durably
from models.errors import BundleError

ENDING = ".erased.json"


def note_erased(bundle: Path, digest: str, erasure: str) -> None:
    """Write that a training patient was erased; the same erasure counts once.

    Parameters
    ----------
    bundle : Path
        The bundle's folder.
    digest : str
        Its digest.
    erasure : str
        The erasure's number, which says nothing of the person.
    """
    found = _noted(bundle, digest)
    record = {"digest": digest, "erasures": sorted({*found, erasure})}
    write_durably(_beside(bundle), json.dumps(record, indent=1).encode() + b"\n")


def erased_patients(bundle: Path, digest: str) -> int:
    """Return how many of a bundle's training patients have been erased.

    Parameters
    ----------
    bundle : Path
        The bundle's folder.
    digest : str
        Its digest.

    Raises
    ------
    BundleError
        If what stands beside the folder cannot be read.
    """
    return len(_noted(bundle, digest))


def _noted(bundle: Path, digest: str) -> list[str]:
    path = _beside(bundle)
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        erasures = [str(one) for one in found["erasures"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"The file {path.name} beside the bundle, which counts erased training patients, "
            "cannot be read: put it back from the machine that erased them."
        ) from error
    return erasures if found.get("digest") == digest else []


def _beside(bundle: Path) -> Path:
    return bundle.with_name(f"{bundle.name}{ENDING}")
