"""A verdict that changed is told when a second night has found it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from flows.notices.changed_verdicts import Verdicts, last_change
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.latest_performance import PERFORMANCE_NAME, CenterPerformance
from validation_reports.report.summary_line import Line
from validation_reports.statistics.margins import Verdict

FIRST = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
OF = {"y": Verdict.YES, "n": Verdict.NO, "?": Verdict.UNKNOWN}


def _found(verdict: str, night: float, center: str = "B") -> CenterPerformance:
    moment = FIRST + timedelta(days=night)
    return CenterPerformance(
        center=center,
        model_digest="m" * 64,
        report_id=f"{moment:%Y%m%dT%H%M%S}000000Z-{center}",
        created_at=moment,
        n=80,
        n_events=40,
        concordance=NotEstimable("No."),
        calibration=Line("Are predicted risks right?", OF[verdict], f"It is {verdict}."),
    )


@pytest.mark.parametrize(
    ("nights", "change"),
    [
        ("", None),
        ("y", None),
        ("yyyy", None),
        ("yn", None),
        ("ynn", (0, 2)),
        ("ynyn", None),
        ("yynnyy", (3, 5)),
        ("yn?", None),
        ("yn??", (0, 3)),
        ("ynyynn", (3, 5)),
        ("ynn?", (0, 2)),
    ],
)
def test_the_last_change_is_one_that_two_nights_found(
    nights: str, change: tuple[int, int] | None
) -> None:
    found = [_found(verdict, number) for number, verdict in enumerate(nights)]
    last = last_change(found)
    if change is None:
        assert last is None
    else:
        assert last is not None
        assert (last.before, last.after) == (found[change[0]], found[change[1]])


def _write(folder: Path, *found: CenterPerformance) -> None:
    for one in found:
        (folder / one.report_id).mkdir(parents=True)
        file = folder / one.report_id / PERFORMANCE_NAME
        file.write_bytes(TypeAdapter(tuple[CenterPerformance, ...]).dump_json((one,)))


def test_a_change_is_news_for_a_week_and_two_reports_of_one_night_are_one(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path, "Europe/Amsterdam")
    now = FIRST + timedelta(days=2)
    assert list(verdicts.causes(now)) == []
    _write(tmp_path, _found("y", 0), _found("n", 1), _found("n", 1.3), _found("y", 1, "C"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / PERFORMANCE_NAME).write_text("{")
    assert list(verdicts.causes(now)) == []
    _write(tmp_path, _found("n", 2))
    (cause,) = verdicts.causes(now)
    assert (cause.center, cause.subject) == ("B", _found("n", 2).report_id)
    assert cause.page == f"reports/{cause.subject}/"
    assert "answered with yes on 2026-03-01" in cause.sentence
    assert cause.sentence.endswith("answer with no. It is n.")
    assert list(verdicts.causes(now + timedelta(days=8))) == []
