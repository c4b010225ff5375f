"""The part of the registry that remembers storage commitments: asked of us, and asked by us for our
reports.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from dicom_node.network.commitment_messages import CommitmentReport, CommitmentRequest, Reference
from dicom_node.registry.database import Database
from dicom_node.registry.schema import commitment_requests, deliveries, delivery_commitments


@dataclass(frozen=True)
class PendingCommitment:
    """A commitment that somebody asked for and has not been told the result of."""

    id: int
    center: str
    ae_title: str
    request: CommitmentRequest
    attempts: int


class CommitmentQueue:
    """Commitment requests of others, and the commitments that our own deliveries wait for."""

    _database: Database

    def queue_commitment(self, center: str, ae_title: str, request: CommitmentRequest) -> None:
        """Keep a request until its result has been reported; the same transaction is kept once."""
        now = self._database.now()
        row = self._database.insert(commitment_requests).values(
            center=center,
            ae_title=ae_title,
            transaction_uid=request.transaction_uid,
            refs=json.dumps(
                [[one.sop_class_uid, one.sop_instance_uid] for one in request.references]
            ),
            attempts=0,
            due_at=now,
        )
        again = {"due_at": now, "reported_at": None, "attempts": 0}
        keys = ["center", "ae_title", "transaction_uid"]
        with self._database.write() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_=again))

    def due_commitments(self, limit: int = 100) -> list[PendingCommitment]:
        """Return the requests whose result is due to be reported, the oldest first."""
        table = commitment_requests
        query = (
            select(table)
            .where(table.c.reported_at.is_(None), self._database.is_due(table.c.due_at))
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                PendingCommitment(
                    row.id,
                    row.center,
                    row.ae_title,
                    CommitmentRequest(
                        row.transaction_uid, tuple(Reference(*one) for one in json.loads(row.refs))
                    ),
                    row.attempts,
                )
                for row in connection.execute(query)
            ]

    def mark_commitment_reported(self, commitment_id: int) -> None:
        """Record that whoever asked has the result."""
        table = commitment_requests
        with self._database.write() as connection:
            values = {"reported_at": self._database.now()}
            connection.execute(update(table).where(table.c.id == commitment_id).values(values))

    def mark_commitment_failed(
        self, commitment_id: int, sentence: str, retry_after_s: float
    ) -> None:
        """Record that reporting failed, and when to try again."""
        table = commitment_requests
        due = self._database.now() + timedelta(seconds=retry_after_s)
        values = {"attempts": table.c.attempts + 1, "sentence": sentence, "due_at": due}
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.id == commitment_id).values(values))

    def await_commitment(
        self, delivery_id: int, transaction_uid: str, retry_after_s: float
    ) -> None:
        """Record that a PACS took a report and was asked to commit it; without an answer in time it
        is sent again.
        """
        now = self._database.now()
        row = self._database.insert(delivery_commitments).values(
            delivery_id=delivery_id, transaction_uid=transaction_uid, asked_at=now
        )
        newer = {"transaction_uid": transaction_uid, "asked_at": now}
        with self._database.write() as connection:
            connection.execute(
                row.on_conflict_do_update(index_elements=["delivery_id"], set_=newer)
            )
            waits = {
                "due_at": now + timedelta(seconds=retry_after_s),
                "sentence": (
                    "taken by the PACS, which has been asked to commit it and has not answered yet"
                ),
            }
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id, deliveries.c.delivered_at.is_(None))
                .values(waits)
            )

    def take_commitment_report(self, center: str, report: CommitmentReport) -> None:
        """Take what a PACS says: what it has committed is delivered, what it has not is due to be
        sent again.

        A transaction that nobody knows any more, or of another centre, changes nothing.
        """
        now = self._database.now()
        asked = (
            select(deliveries.c.id, deliveries.c.attempts)
            .join(delivery_commitments, delivery_commitments.c.delivery_id == deliveries.c.id)
            .where(
                delivery_commitments.c.transaction_uid == report.transaction_uid,
                deliveries.c.center == center,
                deliveries.c.delivered_at.is_(None),
            )
        )
        with self._database.write() as connection:
            for row in connection.execute(asked).all():
                if report.failed:
                    values: dict[str, object] = {
                        "attempts": row.attempts + 1,
                        "due_at": now,
                        "sentence": (
                            "the PACS took the report but says that it did not commit it: it is "
                            "sent again"
                        ),
                    }
                else:
                    values = {"delivered_at": now, "sentence": None}
                connection.execute(
                    update(deliveries).where(deliveries.c.id == row.id).values(values)
                )

    def is_commitment_awaited(self, delivery_ids: Collection[int]) -> bool:
        """Say whether one of these deliveries still waits to be committed."""
        query = (
            select(deliveries.c.id)
            .join(delivery_commitments, delivery_commitments.c.delivery_id == deliveries.c.id)
            .where(deliveries.c.id.in_(list(delivery_ids)), deliveries.c.delivered_at.is_(None))
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(query).first() is not None
