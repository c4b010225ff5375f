"""The delivery queue: reports that a centre's AE has not taken yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from dicom_node.registry.database import Database
from dicom_node.registry.schema import deliveries as table


@dataclass(frozen=True)
class Delivery:
    """One report that waits for its centre.

    Parameters
    ----------
    id : int
        Its number.
    study_key : str
        The study's pseudonym; a report on a centre lies in a study of its own.
    center : str
        The centre.
    path : Path
        The report's file.
    attempts : int
        How often sending it has failed.
    """

    id: int
    study_key: str
    center: str
    path: Path
    attempts: int


class DeliveryQueue:
    """The part of the registry that keeps deliveries; `Outbox.finish` puts in those of patients."""

    _database: Database

    def queue_center_report(
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
            }
            for digest, path in objects.items()
        ]
        with self._database.write() as connection:
            queued = [
                connection.execute(
                    self._database.insert(table).values(row).on_conflict_do_nothing()
                ).rowcount
                for row in rows
            ]
        return any(queued)

    def due_deliveries(self, centers: Collection[str], limit: int = 100) -> list[Delivery]:
        """Return the deliveries that are due, the oldest first.

        Parameters
        ----------
        centers : collection of str
            Only deliveries to these centres.
        limit : int
            At most so many.
        """
        query = (
            select(table.c.id, table.c.study_key, table.c.center, table.c.path, table.c.attempts)
            .where(
                table.c.delivered_at.is_(None),
                table.c.center.in_(list(centers)),
                self._database.is_due(table.c.due_at),
            )
            .order_by(table.c.due_at, table.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).mappings()
            return [Delivery(**{**row, "path": Path(row["path"])}) for row in rows]

    def mark_delivered(self, delivery_id: int, sentence: str | None = None) -> None:
        """Record that the centre has the report.

        Parameters
        ----------
        delivery_id : int
            The delivery.
        sentence : str, optional
            What the centre warned of.
        """
        now = self._database.now()
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == delivery_id)
                .values(delivered_at=now, sentence=sentence)
            )

    def mark_failed(self, delivery_id: int, sentence: str, retry_after_s: float) -> None:
        """Record that sending failed, and when to try again.

        Parameters
        ----------
        delivery_id : int
            The delivery.
        sentence : str
            Why it failed.
        retry_after_s : float
            Seconds until it is due again.
        """
        due = self._database.now() + timedelta(seconds=retry_after_s)
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == delivery_id, table.c.delivered_at.is_(None))
                .values(attempts=table.c.attempts + 1, sentence=sentence, due_at=due)
            )

    def previous_report(self, study_key: str, content_digest: str) -> Path | None:
        """Return the file of the newest report on another content of a study, which a new one
        supersedes.
        """
        query = (
            select(table.c.path)
            .where(table.c.study_key == study_key, table.c.content_digest != content_digest)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            path = connection.scalar(query)
        return None if path is None else Path(path)

    def undelivered(self) -> list[tuple[Delivery, str | None, datetime]]:
        """Return every waiting delivery with the reason of its last failure and when it is due."""
        query = select(table).where(table.c.delivered_at.is_(None)).order_by(table.c.id)
        with self._database.read() as connection:
            return [
                (
                    Delivery(row.id, row.study_key, row.center, Path(row.path), row.attempts),
                    row.sentence,
                    row.due_at,
                )
                for row in connection.execute(query)
            ]
