"""Which validation reports there are, of which centres, and what they found; each is read once."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from flows.portal.users import User
from validation_reports.errors import ReportFormatError
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.file_names import (
    CURVES_NAME,
    JSON_NAME,
    PAGE_NAME,
    PDF_NAME,
    R_FOLDER,
)
from validation_reports.report.latest_performance import (
    PERFORMANCE_NAME,
    CenterPerformance,
    performances_in,
)
from validation_reports.report.validation_report import from_json
from validation_reports.statistics.cohort_shift import CohortShift
from validation_reports.statistics.drift import Drift

FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        PAGE_NAME: "the report, one page that works offline",
        PDF_NAME: "the same as PDF",
        JSON_NAME: "every number, interval and method",
        CURVES_NAME: "every survival curve at every time",
        PERFORMANCE_NAME: "what patients' structured reports quote of it",
        f"{R_FOLDER}/recompute.R": "computes the main numbers again in R",
        f"{R_FOLDER}/patients.csv": "what it computes them of",
        f"{R_FOLDER}/expected.csv": "what it must find",
    }
)
"""The files of a report that are shown, each with what it is."""
_GROWS_FOR = timedelta(hours=1)
_KEPT_REPORTS: Final = 32
_NAME = re.compile(r"(?P<moment>\d{8}T\d{6}\d{0,6})Z-(?P<name>[^/]{1,200})")


@dataclass(frozen=True)
class ReportEntry:
    """One validation report in the list of reports.

    Parameters
    ----------
    report_id : str
        Name of its folder.
    name : str
        What it was asked for as.
    made_at : datetime
        When, UTC.
    centers : tuple of str
        Whose patients are in it.
    performances : tuple of CenterPerformance
        What it found at each of them; none for a report on some patients only.
    """

    report_id: str
    name: str
    made_at: datetime
    centers: tuple[str, ...]
    performances: tuple[CenterPerformance, ...]


@dataclass(frozen=True)
class Change:
    """How the patients of a centre differ from those that trained the model, and with the time of
    their scans, as a report found it.
    """

    shift: CohortShift | NotEstimable
    drift: Drift | NotEstimable


class ReportIndex:
    """The reports of an installation.

    Parameters
    ----------
    folder : Path
        The folder of reports.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, ReportEntry] = {}
        self._changes: OrderedDict[str, dict[str, Change]] = OrderedDict()
        self._lock = threading.Lock()

    def seen_by(self, user: User) -> list[ReportEntry]:
        """Return the reports that a user may see, the newest first: those of which every centre is
        the user's.
        """
        return [one for one in self._entries() if user.may_see_all_of(one.centers)]

    def find(self, report_id: str, user: User) -> ReportEntry | None:
        """Return a report; `None` where there is none or the user may not see it."""
        return next((one for one in self.seen_by(user) if one.report_id == report_id), None)

    def files(self, entry: ReportEntry) -> dict[str, str]:
        """Return the files of a report that are here, each with what it is."""
        folder = self._folder / entry.report_id
        return {name: what for name, what in FILES.items() if (folder / name).is_file()}

    def file(self, entry: ReportEntry, name: str) -> Path | None:
        """Return one file of a report; `None` where it has none of that name."""
        path = self._folder / entry.report_id / name
        is_its_own = name in FILES and path.is_file()
        if is_its_own and path.resolve().is_relative_to(self._folder.resolve()):
            return path
        return None

    def change(self, entry: ReportEntry, center: str) -> Change | None:
        """Return what a report found of a centre's patients over time and beside the training
        patients; `None` where it holds nothing of that, or was made by another release.
        """
        with self._lock:
            found = self._changes.get(entry.report_id)
            if found is None:
                found = _changes(self._folder / entry.report_id / JSON_NAME)
                self._changes[entry.report_id] = found
                while len(self._changes) > _KEPT_REPORTS:
                    self._changes.popitem(last=False)
            return found.get(center)

    def _entries(self) -> list[ReportEntry]:
        try:
            names = {path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name)}
        except FileNotFoundError:
            names = set()
        with self._lock:
            here = {}
            for name in names:
                if entry := self._read.get(name) or _entry(self._folder / name):
                    here[name] = entry
            # What it found comes last into a report's folder: one without it may still be growing.
            self._read = {name: one for name, one in here.items() if _is_whole(one)}
        return sorted(here.values(), key=lambda one: one.report_id, reverse=True)


def _changes(stored: Path) -> dict[str, Change]:
    try:
        report = from_json(stored.read_text(encoding="utf-8"))
    except (OSError, ValueError, ReportFormatError):
        return {}
    return {one.center: Change(one.shift, one.drift) for one in report.centers}


def _is_whole(entry: ReportEntry) -> bool:
    return bool(entry.performances) or datetime.now(UTC) - entry.made_at > _GROWS_FOR


def _entry(folder: Path) -> ReportEntry | None:
    """Read a report; `None` where it is not whole yet, or not a report."""
    named = _NAME.fullmatch(folder.name)
    if named is None or not (folder / PAGE_NAME).is_file():
        return None
    performances = performances_in(folder) or ()
    centers = tuple(one.center for one in performances) or _centers_asked_for(folder)
    if centers is None:
        return None
    moment = f"{named['moment'].ljust(21, '0')}+0000"
    made_at = datetime.strptime(moment, "%Y%m%dT%H%M%S%f%z")
    return ReportEntry(folder.name, named["name"], made_at, centers, performances)


def _centers_asked_for(folder: Path) -> tuple[str, ...] | None:
    """Return the centres that a report was asked for, by its own record of the query."""
    try:
        stored = json.loads((folder / JSON_NAME).read_bytes())
        return tuple(str(one) for one in json.loads(stored["provenance"]["query"])["centers"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
