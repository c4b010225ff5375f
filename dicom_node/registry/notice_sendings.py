"""The sendings of notices: which sink has still to be told of what, claimed under a lease and
closed when the sink has answered.

The rows are written with the notice, in its transaction (`notices`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update

from dicom_node.registry.database import Database
from dicom_node.registry.notices import Notice, notice_of
from dicom_node.registry.schema import notice_sendings as sendings
from dicom_node.registry.schema import notices


@dataclass(frozen=True)
class Message:
    """Notices that somebody has claimed to tell one sink, at once.

    Parameters
    ----------
    id : str
        The same at every try: the sink may know by it that it has been told.
    sink : str
        Whom to tell.
    notices : tuple of Notice
        Of what, the oldest first.
    attempts : int
        How often it was claimed, this time included.
    may_be_known : bool
        Whether it may have been told at an earlier try, which ended without an answer.
    """

    id: str
    sink: str
    notices: tuple[Notice, ...]
    attempts: int
    may_be_known: bool


@dataclass(frozen=True)
class Untold:
    """How many notices wait for a sink, how often one was tried, and what was last said."""

    sink: str
    count: int
    attempts: int
    sentence: str | None


class NoticeSendings:
    """Hands out what is to be told, and takes back whether it was.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, sinks: Collection[str], owner: str, lease_s: float, most: int = 1
    ) -> Message | None:
        """Claim what is due to be told to one of some sinks; atomic between threads and processes.

        What was once claimed as one message is claimed again as the same.

        Parameters
        ----------
        sinks : collection of str
            Those that can be told.
        owner : str
            Who claims.
        lease_s : float
            Seconds after which somebody else may claim it.
        most : int
            So many notices in a message at most.

        Returns
        -------
        Message or None
            What is to be told, or `None` when nothing is due.
        """
        row = sendings.c
        is_due = (row.sent_at.is_(None), self._database.is_due(row.due_at))
        first = select(sendings).where(row.sink.in_(list(sinks)), *is_due).order_by(row.id).limit(1)
        with self._database.read() as connection:
            if connection.execute(first).first() is None:
                return None
        now = self._database.now()
        with self._database.write() as connection:
            # Not skipping what another has locked, for that belongs to a message with what follows
            found = connection.execute(first.with_for_update()).first()
            if found is None:
                return None
            together = select(row.id).where(row.sink == found.sink, row.sent_at.is_(None))
            if found.message is None:
                together = together.where(row.message.is_(None), *is_due).order_by(row.id)
                together = together.limit(most)
            else:
                together = together.where(row.message == found.message)
            ids = list(connection.scalars(together))
            message = found.message or uuid.uuid4().hex
            may_be_known = found.may_be_known or found.owner is not None
            claimed = {
                "message": message,
                "owner": owner,
                "due_at": now + timedelta(seconds=lease_s),
                "attempts": row.attempts + 1,
                "may_be_known": may_be_known,
            }
            connection.execute(update(sendings).where(row.id.in_(ids)).values(claimed))
            told = (
                select(notices)
                .join(sendings, row.notice_id == notices.c.id)
                .where(row.id.in_(ids))
                .order_by(notices.c.id)
            )
            return Message(
                id=message,
                sink=found.sink,
                notices=tuple(notice_of(one) for one in connection.execute(told)),
                attempts=found.attempts + 1,
                may_be_known=may_be_known,
            )

    def mark_told(self, message: str) -> None:
        """Record that a sink has taken a message."""
        told = {"sent_at": self._database.now(), "owner": None, "sentence": None}
        with self._database.write() as connection:
            connection.execute(
                update(sendings)
                .where(sendings.c.message == message, sendings.c.sent_at.is_(None))
                .values(told)
            )

    def put_off(
        self,
        message: str,
        owner: str,
        sentence: str,
        retry_after_s: float,
        *,
        may_be_known: bool = False,
    ) -> None:
        """Record that a sink did not take a message, and when to try again.

        Parameters
        ----------
        message : str
            The identifier of the message.
        owner : str
            Who claimed it; nothing happens if somebody else has by now.
        sentence : str
            Why it was not taken.
        retry_after_s : float
            Seconds until it is due again.
        may_be_known : bool
            Whether the sink gave no answer, so that it may have taken the message.
        """
        later: dict[str, object] = {
            "owner": None,
            "due_at": self._database.now() + timedelta(seconds=retry_after_s),
            "sentence": sentence,
        }
        if may_be_known:
            later["may_be_known"] = True
        with self._database.write() as connection:
            connection.execute(
                update(sendings)
                .where(
                    sendings.c.message == message,
                    sendings.c.owner == owner,
                    sendings.c.sent_at.is_(None),
                )
                .values(later)
            )

    def untold(self) -> list[Untold]:
        """Return who has not been told of something yet, and why."""
        row = sendings.c
        query = (
            select(
                row.sink,
                func.count().label("count"),
                func.max(row.attempts).label("attempts"),
                func.max(row.sentence).label("sentence"),
            )
            .where(row.sent_at.is_(None))
            .group_by(row.sink)
            .order_by(row.sink)
        )
        with self._database.read() as connection:
            return [Untold(**one) for one in connection.execute(query).mappings()]
