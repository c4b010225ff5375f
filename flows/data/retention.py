"""How long files that hold or single out patients are kept beside archive and registry, whose own
retention the node looks after: `deploy/guide/retention.md` lists every place.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.data.import_clinical import IMPORTED, REFUSED_FILES
from flows.settings import Settings

_MADE_AT = re.compile(r"(\d{8}T\d{6})\d*Z?-")
_ROTATED = "annulus.log.*"


@dataclass(frozen=True)
class Overdue:
    """What has been kept for longer than the settings say.

    Parameters
    ----------
    tables : tuple of Path
        Clinical tables that were imported or refused, and what was written beside them.
    reports : tuple of Path
        Folders of validation reports, and their exact records.
    logs : tuple of Path
        Logs that are no longer written to.
    """

    tables: tuple[Path, ...]
    reports: tuple[Path, ...]
    logs: tuple[Path, ...]


def overdue(settings: Settings, now: datetime) -> Overdue:
    """Return what is to be removed.

    Parameters
    ----------
    settings : Settings
        ``validation.tables_days``, ``validation.reports_days`` and ``system.logs_days``; 0 is for
        ever.
    now : datetime
        The time, with its zone.
    """
    validation = settings.validation
    return Overdue(
        tables=tuple(_older(_tables(settings), validation.tables_days, now)),
        reports=tuple(_older(_reports(settings), validation.reports_days, now)),
        logs=tuple(_older(_logs(settings), settings.system.logs_days, now)),
    )


def remove_overdue(settings: Settings, now: datetime) -> dict[str, int]:
    """Remove what is overdue; return how much it was of each kind, without what was nothing.

    Parameters
    ----------
    settings : Settings
        How long what is kept.
    now : datetime
        The time, with its zone.
    """
    found = overdue(settings, now)
    kinds = {"clinical tables": found.tables, "reports": found.reports, "logs": found.logs}
    for paths in kinds.values():
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return {kind: len(paths) for kind, paths in kinds.items() if paths}


def _tables(settings: Settings) -> Iterator[Path]:
    for center in settings.center:
        for name in (IMPORTED, REFUSED_FILES):
            folder = settings.clinical_drop_folder(center) / name
            yield from sorted(path for path in folder.glob("*") if path.is_file())


def _reports(settings: Settings) -> Iterator[Path]:
    for folder in sorted(settings.reports_folder().glob("*")):
        if _MADE_AT.match(folder.name) and folder.is_dir():
            yield folder
    yield from sorted(settings.records_folder().glob("*.json"))


def _logs(settings: Settings) -> Iterator[Path]:
    yield from sorted((settings.node.folder / "system").glob(_ROTATED))


def _older(paths: Iterator[Path], days: int, now: datetime) -> Iterator[Path]:
    if not days:
        return
    before = now - timedelta(days=days)
    for path in paths:
        if _since(path) < before:
            yield path


def _since(path: Path) -> datetime:
    """Return when a file was made: what its name says, which a copy keeps, or else its own time."""
    if found := _MADE_AT.match(path.name):
        return datetime.strptime(f"{found[1]}+0000", "%Y%m%dT%H%M%S%z")
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
