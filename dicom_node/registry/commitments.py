"""Storage commitments that others have asked of us (PS3.4 annex J), until they have been told the
result.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, tuple_, update

from dicom_node.network.commitment_messages import CommitmentRequest, Reference
from dicom_node.registry.database import Database
from dicom_node.registry.schema import commitment_requests as table


@dataclass(frozen=True)
class PendingCommitment:
    """A commitment that somebody asked for and has not been told the result of."""

    id: int
    center: str
    ae_title: str
    request: CommitmentRequest
    attempts: int


class Commitments:
    """Requests of others whose result has not been reported; what our own reports wait for is with
    their deliveries.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, center: str, ae_title: str, request: CommitmentRequest) -> None:
        """Keep a request until its result has been reported; the same transaction is kept once, as
        it was asked for last: a result must be that of the instances that its asker now means.
        """
        now, refs = self._database.now(), _refs(request)
        row = self._database.insert(table).values(
            center=center,
            ae_title=ae_title,
            transaction_uid=request.transaction_uid,
            refs=refs,
            attempts=0,
            due_at=now,
        )
        again = {"refs": refs, "due_at": now, "reported_at": None, "attempts": 0}
        keys = ["center", "ae_title", "transaction_uid"]
        with self._database.write() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_=again))

    def due(
        self, askers: Collection[tuple[str, str]] | None = None, limit: int = 100
    ) -> Iterator[PendingCommitment]:
        """Yield the requests whose result is due to be reported, the oldest first; each is read
        when it is its turn, because one names up to a hundred thousand instances.

        Parameters
        ----------
        askers : collection of (str, str), optional
            Only those of these centres' AE titles.
        limit : int
            At most so many.
        """
        query = (
            select(table.c.id)
            .where(table.c.reported_at.is_(None), self._database.is_due(table.c.due_at))
            .order_by(table.c.id)
            .limit(limit)
        )
        if askers is not None:
            query = query.where(tuple_(table.c.center, table.c.ae_title).in_(list(askers)))
        with self._database.read() as connection:
            due = list(connection.scalars(query))
        for number in due:
            with self._database.read() as connection:
                row = connection.execute(select(table).where(table.c.id == number)).first()
            if row is not None:
                asked = tuple(Reference(*one) for one in json.loads(row.refs))
                yield PendingCommitment(
                    row.id,
                    row.center,
                    row.ae_title,
                    CommitmentRequest(row.transaction_uid, asked),
                    row.attempts,
                )

    def mark_reported(self, reported: PendingCommitment) -> None:
        """Record that whoever asked has the result; it stays due where other instances were asked
        about meanwhile.
        """
        is_same = table.c.refs == _refs(reported.request)
        with self._database.write() as connection:
            values = {"reported_at": self._database.now()}
            connection.execute(
                update(table).where(table.c.id == reported.id, is_same).values(values)
            )

    def mark_failed(self, commitment_id: int, sentence: str, retry_after_s: float) -> None:
        """Record that reporting failed, and when to try again."""
        due = self._database.now() + timedelta(seconds=retry_after_s)
        values = {"attempts": table.c.attempts + 1, "sentence": sentence, "due_at": due}
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.id == commitment_id).values(values))


def _refs(request: CommitmentRequest) -> str:
    return json.dumps([[one.sop_class_uid, one.sop_instance_uid] for one in request.references])
