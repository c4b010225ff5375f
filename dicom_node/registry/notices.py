"""The notices: what people must hear of, each cause once.

A cause that still holds is open, and ends when it holds no more. One that comes back within an hour
is the same; later, it is told again. What is to be told where are rows of their own, written with
the cause (`notice_sendings`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update

from dicom_node.registry.database import Database
from dicom_node.registry.schema import notice_sendings as sendings
from dicom_node.registry.schema import notices as table

SAME_WITHIN: Final = timedelta(hours=1)
"""A cause that ends and begins again within this time has never ended."""
_NO_CENTER = ""
_KEY: Final = ("kind", "center", "subject", "cause")
_WORDS: Final = ("sentence", "page")


@dataclass(frozen=True)
class Cause:
    """Something that people must hear of, for as long as it holds.

    Parameters
    ----------
    kind : str
        What it is, a short slug.
    center : str or None
        Whose, when it is one centre's.
    subject : str
        What it is about: a pseudonym, a part of the system, a report.
    cause : str
        What tells it apart from others of its kind about the same; empty where nothing does.
    sentence : str
        What is wrong and how to mend it, without a patient identifier.
    page : str
        Where the portal shows it, relative to its address.
    began_at : datetime
        Since when, UTC.
    """

    kind: str
    center: str | None
    subject: str
    cause: str
    sentence: str
    page: str
    began_at: datetime

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same cause."""
        return self.kind, self.center or _NO_CENTER, self.subject, self.cause


@dataclass(frozen=True)
class Notice:
    """A cause that was noted.

    Parameters
    ----------
    id : int
        Its number.
    cause : Cause
        What people must hear of.
    ended_at : datetime or None
        Since when it holds no more, UTC; `None` while it does.
    """

    id: int
    cause: Cause
    ended_at: datetime | None


class Notices:
    """What people must hear of.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self,
        causes: Iterable[Cause],
        looked_at: Collection[str],
        sinks: Mapping[str, Sequence[str]],
    ) -> int:
        """Note every cause that holds now, and that the others of their kinds hold no more; one
        transaction, and none where nothing has changed.

        Parameters
        ----------
        causes : iterable of Cause
            All that hold, of the kinds that were looked at.
        looked_at : collection of str
            These kinds.
        sinks : mapping of str to sequence of str
            Who is to be told of which kind.

        Returns
        -------
        int
            How many are news.
        """
        holding = {one.key: one for one in causes}
        with self._database.read() as connection:
            if not self._differ(connection, holding, looked_at):
                return 0
        now = self._database.now()
        with self._database.write() as connection:
            known = self._known(connection, looked_at)
            for key, noted in known.items():
                if key not in holding and noted.ended_at is None:
                    _change(connection, noted.id, ended_at=now)
            news = 0
            for key, one in holding.items():
                row = known.get(key)
                if row is not None and _is_the_same(row, now):
                    words = {name: getattr(one, name) for name in _WORDS}
                    _change(connection, row.id, ended_at=None, **words)
                    continue
                news += 1
                self._tell(connection, one, row, now, sinks.get(one.kind, ()))
            return news

    def open(
        self, centers: Collection[str] | None = None, limit: int = 1000
    ) -> tuple[list[Notice], int]:
        """Return the notices whose cause still holds, the latest first, and how many there are.

        Parameters
        ----------
        centers : collection of str, optional
            Only of these centres, and none of no centre.
        limit : int
            At most so many.
        """
        query = select(table).where(table.c.ended_at.is_(None))
        if centers is not None:
            query = query.where(table.c.center.in_(list(centers)))
        count = select(func.count()).select_from(query.subquery())
        newest = query.order_by(table.c.noted_at.desc(), table.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            total = connection.scalar(count) or 0
            return [notice_of(row) for row in connection.execute(newest)], total

    def forget(self, before: datetime) -> int:
        """Remove the notices whose cause ended before a time and that were told everywhere, and
        return how many.
        """
        waits = select(sendings.c.id).where(
            sendings.c.notice_id == table.c.id, sendings.c.sent_at.is_(None)
        )
        old = select(table.c.id).where(table.c.ended_at < before, ~waits.exists())
        with self._database.read() as connection:
            ids = list(connection.scalars(old))
        if not ids:
            return 0
        with self._database.write() as connection:
            forget_notices(connection, ids)
        return len(ids)

    def _differ(
        self,
        connection: Connection,
        holding: Mapping[tuple[str, str, str, str], Cause],
        looked_at: Collection[str],
    ) -> bool:
        """Say whether anything that holds is not noted as it is, or what is noted holds no more."""
        known = self._known(connection, looked_at)
        known = {key: row for key, row in known.items() if row.ended_at is None}
        return known.keys() != holding.keys() or any(
            getattr(known[key], name) != getattr(one, name)
            for key, one in holding.items()
            for name in _WORDS
        )

    def _known(
        self, connection: Connection, looked_at: Collection[str]
    ) -> dict[tuple[str, str, str, str], Row[Any]]:
        query = select(table).where(table.c.kind.in_(list(looked_at)))
        return {
            (row.kind, row.center, row.subject, row.cause): row for row in connection.execute(query)
        }

    def _tell(
        self,
        connection: Connection,
        cause: Cause,
        row: Row[Any] | None,
        now: datetime,
        sinks: Sequence[str],
    ) -> None:
        """Note news, and that each sink is to be told of it."""
        values = {
            "sentence": cause.sentence,
            "page": cause.page,
            "began_at": cause.began_at,
            "noted_at": now,
            "ended_at": None,
        }
        if row is None:
            named = dict(zip(_KEY, cause.key, strict=True))
            made = table.insert().values(**named, **values).returning(table.c.id)
            number = connection.scalar(made)
        else:
            number = row.id
            _change(connection, number, **values)
            # What it was told of the last time is told anew; what never was, is told once
            connection.execute(
                delete(sendings).where(
                    sendings.c.notice_id == number, sendings.c.sent_at.is_not(None)
                )
            )
        for sink in sinks:
            waits = self._database.insert(sendings).values(
                notice_id=number, sink=sink, due_at=now, attempts=0, may_be_known=False
            )
            connection.execute(waits.on_conflict_do_nothing())


def forget_notices(connection: Connection, ids: Collection[int]) -> None:
    """Remove notices, and what was told of them, in an open transaction."""
    connection.execute(delete(sendings).where(sendings.c.notice_id.in_(ids)))
    connection.execute(delete(table).where(table.c.id.in_(ids)))


def _change(connection: Connection, number: int, **values: object) -> None:
    connection.execute(update(table).where(table.c.id == number).values(values))


def _is_the_same(row: Row[Any], now: datetime) -> bool:
    return row.ended_at is None or now - row.ended_at < SAME_WITHIN


def notice_of(row: Row[Any]) -> Notice:
    """Return a notice of its row."""
    cause = Cause(
        kind=row.kind,
        center=row.center or None,
        subject=row.subject,
        cause=row.cause,
        sentence=row.sentence,
        page=row.page,
        began_at=row.began_at,
    )
    return Notice(row.id, cause, row.ended_at)
