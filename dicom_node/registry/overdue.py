"""What has waited for too long, or was quarantined: the causes of notices that the registry itself
knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from dicom_node.registry.database import Database
from dicom_node.registry.schema import deliveries, outbox, studies
from dicom_node.registry.states import OutboxState, StudyState


@dataclass(frozen=True)
class OverdueStudy:
    """A study whose state somebody must hear of; `since` is when it came into it, UTC."""

    study_key: str
    center: str
    sentence: str | None
    since: datetime


@dataclass(frozen=True)
class OverdueGroup:
    """Studies of one centre that are held, or objects for it that are not delivered, with what was
    last said.

    Parameters
    ----------
    center : str
        The centre.
    sentence : str or None
        Why they wait.
    count : int
        How many they are.
    since : datetime
        Since when the first of them waits, UTC.
    """

    center: str
    sentence: str | None
    count: int
    since: datetime


class Overdue:
    """What has waited for too long; it changes nothing.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def quarantined(self) -> list[OverdueStudy]:
        """Return every study that is quarantined."""
        return self._studies(StudyState.QUARANTINED, None)

    def incomplete(self, before: datetime) -> list[OverdueStudy]:
        """Return the studies to which nothing has come since before a time although they lack
        something.
        """
        return self._studies(StudyState.INCOMPLETE, before)

    def held(self, before: datetime) -> list[OverdueGroup]:
        """Return the studies that have been held since before a time, by centre and reason."""
        query = (
            select(
                outbox.c.center,
                outbox.c.sentence,
                func.count().label("count"),
                func.min(outbox.c.held_since).label("since"),
            )
            .where(outbox.c.state == OutboxState.HELD, outbox.c.held_since <= before)
            .group_by(outbox.c.center, outbox.c.sentence)
            .order_by(outbox.c.center, func.min(outbox.c.held_since))
        )
        with self._database.read() as connection:
            return [OverdueGroup(**row) for row in connection.execute(query).mappings()]

    def undelivered(self, before: datetime) -> list[OverdueGroup]:
        """Return the objects that have waited for their centre since before a time, by centre;
        what was queued by an earlier version of this software has.
        """
        table = deliveries.c
        waited = (
            table.delivered_at.is_(None),
            or_(table.queued_at <= before, table.queued_at.is_(None)),
        )
        groups = (
            select(
                table.center,
                func.count().label("count"),
                func.min(func.coalesce(table.queued_at, table.due_at)).label("since"),
                func.min(table.id).label("first"),
            )
            .where(*waited)
            .group_by(table.center)
        ).subquery()
        query = select(groups.c.center, table.sentence, groups.c.count, groups.c.since).join(
            deliveries, table.id == groups.c.first
        )
        with self._database.read() as connection:
            return [
                OverdueGroup(**row)
                for row in connection.execute(query.order_by(groups.c.center)).mappings()
            ]

    def _studies(self, state: StudyState, before: datetime | None) -> list[OverdueStudy]:
        query = select(
            studies.c.study_key,
            studies.c.center,
            studies.c.sentence,
            studies.c.updated_at.label("since"),
        ).where(studies.c.state == state)
        if before is not None:
            query = query.where(studies.c.updated_at <= before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(studies.c.updated_at))
            return [OverdueStudy(**row) for row in rows.mappings()]
