"""What a new result of a study replaces: the report before it, and what a PACS has of it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import select

from dicom_node.center import ReturnedObject
from dicom_node.registry.database import Database
from dicom_node.registry.delivery_order import OF_A_REPORT
from dicom_node.registry.schema import deliveries as table
from dicom_node.registry.schema import delivery_commitments


class EarlierResults:
    """The deliveries of before, as a new result finds them; it changes nothing.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def previous_report(
        self, study_key: str, content_digest: str, model_digest: str
    ) -> Path | None:
        """Return the file of the newest report on another content of a study, or by another model,
        which a new one supersedes.
        """
        query = (
            select(table.c.path)
            .where(
                table.c.study_key == study_key,
                table.c.kind == ReturnedObject.SR,
                (table.c.content_digest != content_digest) | (table.c.model_digest != model_digest),
            )
            .order_by(table.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            path = connection.scalar(query)
        return None if path is None else Path(path)

    def to_retire(
        self,
        study_key: str,
        content_digest: str,
        model_digest: str,
        files: Collection[Path] | None = None,
    ) -> list[Path]:
        """Return the files that a rejection note retires when there is a new result: what the PACS
        was sent, or is yet to be sent, of other contents of the study or by other models.

        What the PACS refused is not among them, nor what an earlier note retired.

        Parameters
        ----------
        study_key : str
            The study.
        content_digest, model_digest : str
            Of the new result.
        files : collection of Path, optional
            Where its objects lie; what was queued of an earlier result of the same content and
            model lies elsewhere.
        """
        asked = select(delivery_commitments.c.delivery_id).where(
            delivery_commitments.c.delivery_id == table.c.id
        )
        query = (
            select(table, asked.exists().label("is_asked"))
            .where(table.c.study_key == study_key)
            .order_by(table.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        new = (study_key, content_digest, model_digest)
        reports: dict[tuple[str, ...], list[tuple[ReturnedObject, Path]]] = {}
        for row in rows:
            report = tuple(getattr(row, name) for name in OF_A_REPORT)
            is_refused = row.answered_at and not row.delivered_at and not row.is_asked
            is_earlier = report != new or (files is not None and Path(row.path) not in files)
            if is_earlier and not is_refused:
                found = (ReturnedObject(row.kind), Path(row.path))
                reports.setdefault(report, []).append(found)
        retired: list[Path] = []
        for objects in reports.values():
            if any(kind is ReturnedObject.NOTE for kind, _ in objects):
                retired.clear()
            retired += [path for kind, path in objects if kind is not ReturnedObject.NOTE]
        return retired
