"""The deliveries: objects for a centre's AE, until it has taken them and, where it can, committed
them.

A score has several, each with a row of its own under the same study content and model: what names
another is queued after it, and waits until the AE has taken or refused that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, true, update

from dicom_node.audit import AuditEvent, record
from dicom_node.center import ReturnedObject
from dicom_node.errors import StudyStateError
from dicom_node.network.commitment_messages import CommitmentReport
from dicom_node.registry.database import Database
from dicom_node.registry.delivery_order import OF_A_REPORT, is_spare, waits_for_another
from dicom_node.registry.schema import deliveries as table
from dicom_node.registry.schema import delivery_commitments
from dicom_node.registry.states import require_study


@dataclass(frozen=True)
class Delivery:
    """One object that waits for its centre.

    Parameters
    ----------
    id : int
        Its number.
    study_key : str
        The study's pseudonym; a report on a centre lies in a study of its own.
    center : str
        The centre.
    path : Path
        Its file.
    attempts : int
        How often sending it has failed.
    kind : ReturnedObject
        What it is.
    """

    id: int
    study_key: str
    center: str
    path: Path
    attempts: int
    kind: ReturnedObject = ReturnedObject.SR


class Deliveries:
    """Reports on their way to a centre, and whether its PACS has committed them.

    `queue` takes the reports on centres; `Outbox.finish` queues those on patients.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(
        self, center: str, study_key: str, model_digest: str, objects: Mapping[str, Path]
    ) -> bool:
        """Queue the objects of a report on a centre, in one transaction; an object that was ever
        queued stays as it is.

        Parameters
        ----------
        center : str
            The centre.
        study_key : str
            Pseudonym of the study that the report is.
        model_digest : str
            The model that it is about.
        objects : mapping of str to Path
            Each object's file by its content digest.

        Returns
        -------
        bool
            Whether any of them is new.
        """
        now = self._database.now()
        rows = [
            {
                "study_key": study_key,
                "content_digest": digest,
                "model_digest": model_digest,
                "center": center,
                "path": str(path),
                "attempts": 0,
                "due_at": now,
                "queued_at": now,
            }
            for digest, path in objects.items()
        ]
        insert = self._database.insert(table).on_conflict_do_nothing().returning(table.c.id)
        with self._database.write() as connection:
            # not rowcount, which PostgreSQL's driver does not tell of an INSERT
            queued = [connection.execute(insert, row).first() for row in rows]
        return any(queued)

    def due(self, centers: Collection[str], limit: int = 100) -> list[Delivery]:
        """Return the deliveries that are due and wait for no other, the oldest first.

        Parameters
        ----------
        centers : collection of str
            Only deliveries to these centres.
        limit : int
            At most so many.
        """
        query = (
            select(table)
            .where(
                table.c.delivered_at.is_(None),
                table.c.center.in_(list(centers)),
                self._database.is_due(table.c.due_at),
                ~waits_for_another(),
            )
            .order_by(table.c.due_at, table.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def mark_delivered(
        self, delivery_id: int, sentence: str | None = None, path: Path | None = None
    ) -> None:
        """Record that the centre has the report.

        Parameters
        ----------
        delivery_id : int
            The delivery.
        sentence : str, optional
            What the centre warned of.
        path : Path, optional
            The file that it has: nothing happens if another one waits in its place by now.
        """
        now = self._database.now()
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == delivery_id, _is_file(path))
                .values(delivered_at=now, answered_at=now, sentence=sentence)
            )

    def mark_failed(
        self, delivery_id: int, sentence: str, retry_after_s: float, *, answered: bool = False
    ) -> None:
        """Record that sending failed, and when to try again.

        Parameters
        ----------
        delivery_id : int
            The delivery.
        sentence : str
            Why it failed.
        retry_after_s : float
            Seconds until it is due again.
        answered : bool
            Whether that was the AE's answer to this object, for which others then wait no longer.
        """
        now = self._database.now()
        failed: dict[str, object] = {
            "attempts": table.c.attempts + 1,
            "sentence": sentence,
            "due_at": now + timedelta(seconds=retry_after_s),
        }
        if answered:
            failed["answered_at"] = now
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == delivery_id, table.c.delivered_at.is_(None))
                .values(failed)
            )

    def await_commitment(
        self,
        delivery_id: int,
        transaction_uid: str,
        retry_after_s: float,
        path: Path | None = None,
    ) -> None:
        """Record that a PACS took a report and was asked to commit it; without an answer in time it
        is sent again. Nothing happens if another file than `path` waits in its place by now.
        """
        now = self._database.now()
        row = self._database.insert(delivery_commitments).values(
            delivery_id=delivery_id, transaction_uid=transaction_uid, asked_at=now
        )
        newer = {"transaction_uid": transaction_uid, "asked_at": now}
        same = select(table.c.id).where(table.c.id == delivery_id, _is_file(path))
        with self._database.write() as connection:
            if connection.execute(same.with_for_update()).first() is None:
                return
            connection.execute(
                row.on_conflict_do_update(index_elements=["delivery_id"], set_=newer)
            )
            waits = {
                "due_at": now + timedelta(seconds=retry_after_s),
                "answered_at": now,
                "sentence": (
                    "taken by the PACS, which has been asked to commit it and has not answered yet"
                ),
            }
            connection.execute(
                update(table)
                .where(table.c.id == delivery_id, table.c.delivered_at.is_(None))
                .values(waits)
            )

    def take_commitment_report(self, center: str, report: CommitmentReport) -> None:
        """Take what a PACS says: what it has committed is delivered, what it has not is due to be
        sent again.

        A transaction that nobody knows any more, or of another centre, changes nothing.
        """
        now = self._database.now()
        asked = (
            select(table.c.id, table.c.attempts)
            .join(delivery_commitments, delivery_commitments.c.delivery_id == table.c.id)
            .where(
                delivery_commitments.c.transaction_uid == report.transaction_uid,
                table.c.center == center,
                table.c.delivered_at.is_(None),
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
                    values = {"delivered_at": now, "answered_at": now, "sentence": None}
                connection.execute(update(table).where(table.c.id == row.id).values(values))

    def awaits_commitment(self, delivery_ids: Collection[int]) -> bool:
        """Say whether one of these deliveries still waits to be committed."""
        query = (
            select(table.c.id)
            .join(delivery_commitments, delivery_commitments.c.delivery_id == table.c.id)
            .where(table.c.id.in_(list(delivery_ids)), table.c.delivered_at.is_(None))
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def redeliver(self, study_key: str) -> Path:
        """Send the newest report of a study, and what belongs to it, to its centre once more.

        Parameters
        ----------
        study_key : str
            The study.

        Returns
        -------
        Path
            The report's file.

        Raises
        ------
        UnknownStudyError
            If there is no such study.
        StudyStateError
            If it has no report to deliver, or the file is gone.
        """
        now = self._database.now()
        newest = (
            select(table).where(table.c.study_key == study_key).order_by(table.c.id.desc()).limit(1)
        )
        again = {
            "attempts": 0,
            "due_at": now,
            "queued_at": now,
            "answered_at": None,
            "delivered_at": None,
            "sentence": None,
        }
        with self._database.write() as connection:
            study = require_study(connection, study_key)
            row = connection.execute(newest).first()
            if row is None:
                raise StudyStateError(
                    f"Study {study_key} is {study.state} and has no report to deliver: expected "
                    "one that was scored while its centre had a return_to; `python -m flows "
                    "requeue --again` scores it once more."
                )
            same = [table.c[name] == getattr(row, name) for name in OF_A_REPORT]
            objects = connection.execute(select(table).where(*same).order_by(table.c.id)).all()
            report = next((one for one in objects if one.kind == ReturnedObject.SR), row)
            if not all(Path(one.path).is_file() for one in objects):
                raise StudyStateError(
                    f"The report of study {study_key} is no longer in the node's folder: bring it "
                    "back from the back-up, or make it anew with `python -m flows requeue --again`."
                )
            waiting = [one.id for one in objects]
            connection.execute(
                delete(delivery_commitments).where(delivery_commitments.c.delivery_id.in_(waiting))
            )
            connection.execute(update(table).where(table.c.id.in_(waiting)).values(again))
        record(AuditEvent.REPORT_REDELIVERED, center=study.center, study=study_key)
        return Path(report.path)

    def let_go_if_spare(self, delivery_id: int) -> bool:
        """Remove a page as picture from the queue if the AE has taken the page as PDF; return
        whether it has.
        """
        spare = delete(table).where(table.c.id == delivery_id, is_spare())
        with self._database.write() as connection:
            # not rowcount, which PostgreSQL's driver does not always tell
            return connection.execute(spare.returning(table.c.id)).first() is not None

    def undelivered(self) -> list[tuple[Delivery, str | None, datetime]]:
        """Return every waiting delivery with the reason of its last failure and when it is due."""
        query = select(table).where(table.c.delivered_at.is_(None)).order_by(table.c.id)
        with self._database.read() as connection:
            return [(_delivery(row), row.sentence, row.due_at) for row in connection.execute(query)]


def _is_file(path: Path | None) -> ColumnElement[bool]:
    return true() if path is None else table.c.path == str(path)


def _delivery(row: Row[Any]) -> Delivery:
    kind = ReturnedObject(row.kind)
    return Delivery(row.id, row.study_key, row.center, Path(row.path), row.attempts, kind)


def queue_report(
    database: Database,
    connection: Connection,
    key: Mapping[str, str],
    center: str,
    objects: Sequence[tuple[ReturnedObject, Path]],
    now: datetime,
) -> None:
    """Queue the objects of a report on a study content in an open transaction; a second one with
    the same key is sent in place of the first.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    connection : Connection
        The open one.
    key : mapping of str to str
        `dicom_node.registry.results.result_key` of what the report is on.
    center : str
        The centre that it goes to.
    objects : sequence of (ReturnedObject, Path)
        Each object's file, in the order in which they are sent.
    now : datetime
        The time, UTC.
    """
    for kind, path in objects:
        row = database.insert(table).values(
            **key, kind=kind, center=center, path=str(path), attempts=0, due_at=now, queued_at=now
        )
        again = {
            "path": str(path),
            "attempts": 0,
            "due_at": now,
            "queued_at": now,
            "answered_at": None,
            "delivered_at": None,
            "sentence": None,
        }
        queued = row.on_conflict_do_update(index_elements=[*key, "kind"], set_=again)
        of = connection.execute(queued.returning(table.c.id)).scalar_one()
        # What the PACS is yet to say is about the object of before.
        connection.execute(
            delete(delivery_commitments).where(delivery_commitments.c.delivery_id == of)
        )
