"""The worklist: what a person looks at, a page at a time, however many studies there are."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from dicom_node.center import ReturnedObject
from dicom_node.pseudonym import is_pseudonym
from dicom_node.registry.database import Database
from dicom_node.registry.decisions import Remark
from dicom_node.registry.results import model_or_none
from dicom_node.registry.schema import deliveries, outbox, results, studies
from dicom_node.registry.states import OutboxState, StudyState
from dicom_node.registry.studies import StudySummary, newest_delivery, summaries_of, summary_of
from dicom_node.registry.study_files import Choice, choice_of, remarks_of

WAITING: Final = (
    StudyState.HELD,
    StudyState.INCOMPLETE,
    StudyState.QUEUED,
    StudyState.RECEIVING,
)
"""The states in which something is still expected of a study."""
_BEGINNING: Final = re.compile(r"[a-z2-7]{1,16}")


@dataclass(frozen=True)
class Wanted:
    """Which studies are asked for.

    Parameters
    ----------
    centers : tuple of str or None
        Only of these centres; `None` for all.
    states : tuple of StudyState
        Only in these states; none given means all.
    pseudonym : str
        The beginning of a study's or patient's pseudonym; empty for all.
    undelivered : bool
        Whether only those whose newest report waits for its centre.
    waits_longest_first : bool
        Whether the one comes first whose state has not changed for longest, instead of the one
        received last.
    """

    centers: tuple[str, ...] | None = None
    states: tuple[StudyState, ...] = ()
    pseudonym: str = ""
    undelivered: bool = False
    waits_longest_first: bool = False


@dataclass(frozen=True)
class WaitingGroup:
    """Studies of one centre that wait for the same.

    Parameters
    ----------
    center : str
        The centre.
    state : StudyState
        Where they are.
    sentence : str or None
        Why, when that needs saying.
    count : int
        How many they are.
    since : datetime
        Since when the first of them has been there, UTC.
    """

    center: str
    state: StudyState
    sentence: str | None
    count: int
    since: datetime


@dataclass(frozen=True)
class UndeliveredGroup:
    """Reports that wait for one centre with the same sentence; `since` is when one is due next."""

    center: str
    sentence: str | None
    count: int
    next_try: datetime


@dataclass(frozen=True)
class ContentResult:
    """What became of a content under a model; `model_digest` is `None` where none scored it."""

    model_digest: str | None
    state: StudyState
    sentence: str | None
    finished_at: datetime


@dataclass(frozen=True)
class ContentRecord:
    """One complete content of a study.

    Parameters
    ----------
    patient_key : str
        The patient's pseudonym in it.
    content_digest : str
        Digest of the RTSTRUCT and the chosen CT slices.
    completed_at : datetime
        When it became complete, UTC.
    outbox : OutboxState
        Where it is in the outbox.
    attempts : int
        How often it was claimed.
    flow_run_id : str or None
        The run that was last started for it.
    sentence : str or None
        Why it is held.
    warnings : tuple of Remark
        What is unusual about how it was completed.
    choice : Choice or None
        Which ROI and CT, and why.
    results : tuple of ContentResult
        What became of it, the latest first.
    """

    patient_key: str
    content_digest: str
    completed_at: datetime
    outbox: OutboxState
    attempts: int
    flow_run_id: str | None
    sentence: str | None
    warnings: tuple[Remark, ...]
    choice: Choice | None
    results: tuple[ContentResult, ...]


@dataclass(frozen=True)
class SentReport:
    """One object for a centre, delivered or on its way; as `Deliveries` keeps it."""

    kind: ReturnedObject
    content_digest: str
    model_digest: str | None
    attempts: int
    due_at: datetime
    delivered_at: datetime | None
    sentence: str | None


@dataclass(frozen=True)
class StudyRecord:
    """Everything that the registry knows of one study, under pseudonyms.

    Parameters
    ----------
    summary : StudySummary
        Where it is.
    contents : tuple of ContentRecord
        Its complete contents, the newest first.
    reports : tuple of SentReport
        What returns of it to its centre, the newest first.
    """

    summary: StudySummary
    contents: tuple[ContentRecord, ...]
    reports: tuple[SentReport, ...]


class Worklist:
    """What is here, for people who look at it; it changes nothing.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: Wanted, offset: int, limit: int) -> tuple[list[StudySummary], int]:
        """Return some of the studies that are wanted, and how many they are in all.

        Parameters
        ----------
        wanted : Wanted
            What is asked for: centre, state, text and order.
        offset, limit : int
            Where to begin, and how many at most.
        """
        condition = _condition(wanted)
        order = (
            (studies.c.updated_at, studies.c.study_key)
            if wanted.waits_longest_first
            else (studies.c.received_at.desc(), studies.c.study_key)
        )
        # The keys first: what a summary counts is then counted for one page only
        keys = select(studies.c.study_key).where(condition).order_by(*order)
        on_page = studies.c.study_key.in_(keys.offset(offset).limit(limit))
        page = summaries_of(on_page).order_by(*order)
        count = select(func.count()).select_from(studies).where(condition)
        with self._database.read() as connection:
            total = connection.scalar(count) or 0
            return [summary_of(row) for row in connection.execute(page)], total

    def counts(self, centers: Collection[str] | None = None) -> dict[tuple[str, StudyState], int]:
        """Return how many studies of each centre are in each state.

        Parameters
        ----------
        centers : collection of str, optional
            Only of these centres.
        """
        query = _of_centers(
            select(studies.c.center, studies.c.state, func.count()), studies.c.center, centers
        ).group_by(studies.c.center, studies.c.state)
        with self._database.read() as connection:
            return {
                (center, StudyState(state)): count
                for center, state, count in connection.execute(query)
            }

    def waiting(
        self, centers: Collection[str] | None, limit: int
    ) -> tuple[list[WaitingGroup], int]:
        """Return what waits and why, the largest groups first, and how many groups there are."""
        query = (
            _of_centers(
                select(
                    studies.c.center,
                    studies.c.state,
                    studies.c.sentence,
                    func.count().label("n"),
                    func.min(studies.c.updated_at).label("since"),
                ),
                studies.c.center,
                centers,
            )
            .where(studies.c.state.in_([str(state) for state in WAITING]))
            .group_by(studies.c.center, studies.c.state, studies.c.sentence)
        )
        groups = query.subquery()
        some = select(groups).order_by(
            groups.c.n.desc(), groups.c.since, groups.c.center, groups.c.state
        )
        with self._database.read() as connection:
            total = connection.scalar(select(func.count()).select_from(groups)) or 0
            return [
                WaitingGroup(row.center, StudyState(row.state), row.sentence, row.n, row.since)
                for row in connection.execute(some.limit(limit))
            ], total

    def undelivered(self, centers: Collection[str] | None) -> list[UndeliveredGroup]:
        """Return the reports that wait for their centre, by centre and what was last said."""
        query = (
            _of_centers(
                select(
                    deliveries.c.center,
                    deliveries.c.sentence,
                    func.count().label("n"),
                    func.min(deliveries.c.due_at).label("next_try"),
                ),
                deliveries.c.center,
                centers,
            )
            .where(deliveries.c.delivered_at.is_(None))
            .group_by(deliveries.c.center, deliveries.c.sentence)
            .order_by(func.count().desc(), deliveries.c.center)
        )
        with self._database.read() as connection:
            return [
                UndeliveredGroup(row.center, row.sentence, row.n, row.next_try)
                for row in connection.execute(query)
            ]

    def oldest_in_outbox(self) -> datetime | None:
        """Return since when the first of the complete studies waits; `None` where none does."""
        query = select(func.min(outbox.c.created_at)).where(outbox.c.state != OutboxState.DONE)
        with self._database.read() as connection:
            found: datetime | None = connection.scalar(query)
        return found

    def study(self, study_key: str) -> StudyRecord | None:
        """Return everything that is known of one study; `None` if there is none."""
        if not is_pseudonym(study_key):
            return None
        with self._database.read() as connection:
            row = connection.execute(summaries_of(studies.c.study_key == study_key)).first()
            if row is None:
                return None
            return StudyRecord(
                summary=summary_of(row),
                contents=_contents(connection, study_key),
                reports=_reports(connection, study_key),
            )


def _of_centers(
    query: Select[Any], column: ColumnElement[str], centers: Collection[str] | None
) -> Select[Any]:
    return query if centers is None else query.where(column.in_(list(centers)))


def _condition(wanted: Wanted) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [studies.c.study_key.is_not(None)]
    if wanted.centers is not None:
        parts.append(studies.c.center.in_(wanted.centers))
    if wanted.states:
        parts.append(studies.c.state.in_([str(state) for state in wanted.states]))
    if wanted.undelivered:
        parts.append(newest_delivery() == 0)
    if wanted.pseudonym:
        if not _BEGINNING.fullmatch(wanted.pseudonym):
            return studies.c.study_key.is_(None)
        # No wildcard of LIKE is among the characters of a pseudonym
        beginning = f"{wanted.pseudonym}%"
        parts.append(
            or_(studies.c.study_key.like(beginning), studies.c.patient_key.like(beginning))
        )
    return and_(*parts)


def _contents(connection: Connection, study_key: str) -> tuple[ContentRecord, ...]:
    of_content: dict[str, list[ContentResult]] = {}
    done = (
        select(results)
        .where(results.c.study_key == study_key)
        .order_by(results.c.finished_at.desc())
    )
    for row in connection.execute(done):
        of_content.setdefault(row.content_digest, []).append(
            ContentResult(
                model_or_none(row.model_digest),
                StudyState(row.state),
                row.sentence,
                row.finished_at,
            )
        )
    rows = select(outbox).where(outbox.c.study_key == study_key).order_by(outbox.c.id.desc())
    return tuple(
        ContentRecord(
            patient_key=row.patient_key,
            content_digest=row.content_digest,
            completed_at=row.created_at,
            outbox=OutboxState(row.state),
            attempts=row.attempts,
            flow_run_id=row.flow_run_id,
            sentence=row.sentence,
            warnings=remarks_of(row.warnings),
            choice=choice_of(row.choice),
            results=tuple(of_content.get(row.content_digest, ())),
        )
        for row in connection.execute(rows)
    )


def _reports(connection: Connection, study_key: str) -> tuple[SentReport, ...]:
    rows = (
        select(deliveries)
        .where(deliveries.c.study_key == study_key)
        .order_by(deliveries.c.id.desc())
    )
    return tuple(
        SentReport(
            kind=ReturnedObject(row.kind),
            content_digest=row.content_digest,
            model_digest=model_or_none(row.model_digest),
            attempts=row.attempts,
            due_at=row.due_at,
            delivered_at=row.delivered_at,
            sentence=row.sentence,
        )
        for row in connection.execute(rows)
    )
