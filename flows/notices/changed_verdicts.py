"""Verdicts on predicted risks that changed and stayed so for two nights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from dicom_node.registry.registry import Cause
from flows.settings.notify import NoticeKind
from validation_reports.report.latest_performance import (
    PERFORMANCE_NAME,
    CenterPerformance,
    performances_in,
)

NEWS_FOR: Final = timedelta(days=7)
"""So long is a change open."""
_NIGHTS: Final = 2


@dataclass(frozen=True)
class Change:
    """A verdict that changed.

    Parameters
    ----------
    before : CenterPerformance
        The last one of the verdict of before.
    after : CenterPerformance
        The one by which the new verdict was found a second time.
    """

    before: CenterPerformance
    after: CenterPerformance


def last_change(nights: Sequence[CenterPerformance]) -> Change | None:
    """Return the last change of a verdict that was found on two nights one after the other; the
    first verdict of all needs none before it.

    Parameters
    ----------
    nights : sequence of CenterPerformance
        The last of each night, in their order, of one centre and one model.
    """
    found: Change | None = None
    held: CenterPerformance | None = None
    run: list[CenterPerformance] = []
    for one in nights:
        if run and run[-1].calibration.verdict != one.calibration.verdict:
            run = []
        run.append(one)
        if held is None or held.calibration.verdict == one.calibration.verdict:
            held = one
        elif len(run) >= _NIGHTS:
            found, held = Change(held, one), one
    return found


class Verdicts:
    """The verdicts of an installation's reports, each read once.

    Parameters
    ----------
    reports : Path
        The folder of reports.
    timezone : str
        In which nights are told apart.
    """

    def __init__(self, reports: Path, timezone: str) -> None:
        self._reports = reports
        self._zone = ZoneInfo(timezone)
        self._read: dict[str, tuple[CenterPerformance, ...]] = {}

    def causes(self, now: datetime) -> Iterator[Cause]:
        """Yield the changes that are news."""
        for (center, _), nights in sorted(self._by_center_and_model().items()):
            change = last_change([nights[day] for day in sorted(nights)])
            if change is not None and now - change.after.created_at <= NEWS_FOR:
                before, after = change.before, change.after
                sentence = (
                    f"Whether the predicted risks are right at centre {center} was answered with "
                    f"{before.calibration.verdict} on {before.created_at:%Y-%m-%d}; the "
                    f"validations of {_NIGHTS} nights up to {after.created_at:%Y-%m-%d} answer "
                    f"with {after.calibration.verdict}. {after.calibration.answer}"
                )
                yield Cause(
                    NoticeKind.VERDICT_CHANGED,
                    center,
                    after.report_id,
                    "",
                    sentence,
                    f"reports/{after.report_id}/",
                    after.created_at,
                )

    def _by_center_and_model(self) -> dict[tuple[str, str], dict[date, CenterPerformance]]:
        found: dict[tuple[str, str], dict[date, CenterPerformance]] = {}
        for name in self._names():
            for one in self._read[name]:
                night = one.created_at.astimezone(self._zone).date()
                found.setdefault((one.center, one.model_digest), {})[night] = one
        return found

    def _names(self) -> list[str]:
        """Return the reports that can be read, in the order of their making."""
        here = {path.parent.name for path in self._reports.glob(f"*/{PERFORMANCE_NAME}")}
        for name in here - self._read.keys():
            read = performances_in(self._reports / name)
            if read is not None:
                self._read[name] = read
        for name in self._read.keys() - here:
            del self._read[name]
        return sorted(self._read)
