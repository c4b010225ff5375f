"""The real studies and tables, read in place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study."""

    ct: list[Path]
    rtstruct: Path


def real_data_folder() -> Path | None:
    """Return the folder that ``ANNULUS_REAL_DATA`` names, if the real data are there."""
    folder = Path(os.environ.get("ANNULUS_REAL_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "pat1").is_dir() else None


def real_study(folder: Path) -> StudyFiles:
    """Name the files of a real study in place."""
    return StudyFiles(
        sorted((folder / "ct").glob("*.dcm")), next((folder / "rtstruct").glob("*.dcm"))
    )
