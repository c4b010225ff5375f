"""The incidents: what an operator must hear of, each once, with a count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, select, update

from dicom_node.registry.database import Database
from dicom_node.registry.schema import incidents as table

_NO_CENTER = ""
_LONGEST_KIND, _LONGEST_CENTER, _LONGEST_SUBJECT, _LONGEST_SENTENCE = 64, 32, 200, 2000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NEWS_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Incident:
    """One kind of trouble with one subject, however often it happened.

    Parameters
    ----------
    id : int
        Its number.
    kind : str
        One of `dicom_node.errors.IncidentKind`, or another package's.
    center : str or None
        The centre, when one is known.
    subject : str
        What it is about: a pseudonym or an AE title.
    sentence : str
        What is wrong and how to mend it, as of the last time.
    count : int
        How often it happened.
    first_at, last_at : datetime
        When, UTC.
    reported : bool
        Whether somebody has been told.
    """

    id: int
    kind: str
    center: str | None
    subject: str
    sentence: str
    count: int
    first_at: datetime
    last_at: datetime
    reported: bool


class Incidents:
    """What went wrong, and who has been told.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, kind: str, sentence: str, center: str | None, subject: str) -> None:
        """Record an incident; one of the same kind, centre and subject is counted, not repeated.

        Whatever is told is kept, shortened and without control characters where it must be: what
        says that something is wrong must not fail on it. An incident that comes back more than a
        day after it was last seen is reported again.

        Parameters
        ----------
        kind : str
            A short slug.
        sentence : str
            What is wrong and how to mend it, without a patient identifier.
        center : str or None
            The centre, when one is known.
        subject : str
            A pseudonym or an AE title.
        """
        with self._database.write() as connection:
            record_incident(self._database, connection, kind, sentence, center, subject)

    def latest(self, limit: int = 1000, centers: Collection[str] | None = None) -> list[Incident]:
        """Return the incidents, the latest first.

        Parameters
        ----------
        limit : int
            At most so many.
        centers : collection of str, optional
            Only of these centres, and none of which no centre is known.
        """
        return self._select(reported=None, limit=limit, centers=centers)

    def unreported(self) -> list[Incident]:
        """Return the incidents that nobody has been told of, the oldest first."""
        return self._select(reported=False, limit=1000)[::-1]

    def mark_reported(self, ids: Iterable[int]) -> None:
        """Record that somebody has been told of these incidents."""
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.id.in_(list(ids))).values(reported=True))

    def forget(self, before: datetime) -> int:
        """Remove the incidents that were last seen before a time, and return how many."""
        old = delete(table).where(table.c.last_at < before)
        with self._database.write() as connection:
            return len(connection.execute(old.returning(table.c.id)).all())

    def _select(
        self, *, reported: bool | None, limit: int, centers: Collection[str] | None = None
    ) -> list[Incident]:
        query = select(table).order_by(table.c.last_at.desc(), table.c.id.desc()).limit(limit)
        if reported is not None:
            query = query.where(table.c.reported == reported)
        if centers is not None:
            query = query.where(table.c.center.in_(list(centers)))
        with self._database.read() as connection:
            return [
                Incident(**{**row, "center": row["center"] or None})
                for row in connection.execute(query).mappings()
            ]


def record_incident(
    database: Database,
    connection: Connection,
    kind: str,
    sentence: str,
    center: str | None,
    subject: str,
) -> None:
    """Record an incident in an open transaction; as `Incidents.record`."""
    now = database.now()
    sentence = _plain(sentence, _LONGEST_SENTENCE)
    row = database.insert(table).values(
        kind=_plain(str(kind), _LONGEST_KIND),
        center=_plain(center or _NO_CENTER, _LONGEST_CENTER),
        subject=_plain(subject, _LONGEST_SUBJECT),
        sentence=sentence,
        count=1,
        first_at=now,
        last_at=now,
        reported=False,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["kind", "center", "subject"],
            set_={
                "count": table.c.count + 1,
                "sentence": sentence,
                "last_at": now,
                "reported": case(
                    (table.c.last_at < now - _NEWS_AFTER, False), else_=table.c.reported
                ),
            },
        )
    )


def _plain(words: str, longest: int) -> str:
    return _UNPRINTABLE.sub("?", words)[:longest]
