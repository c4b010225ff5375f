"""What an operator does by hand: release a quarantined study, let one be worked on again, send a
report again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, select, update

from dicom_node.audit import AuditEvent, record
from dicom_node.errors import StudyStateError
from dicom_node.registry.database import Database
from dicom_node.registry.schema import deliveries, delivery_commitments, outbox, releases
from dicom_node.registry.states import (
    OutboxState,
    StudyState,
    require_study,
    state_of_outbox_row,
    work_again,
)

LONGEST_REASON = 300
LONGEST_NAME = 64


@dataclass(frozen=True)
class Release:
    """An operator's decision that a quarantined study is to be scored all the same.

    Parameters
    ----------
    study_key, center, content_digest : str
        Which content of which study; content that comes later is not released by it.
    released_by : str
        Who decided.
    reason : str
        Why.
    waived : mapping of str to str
        Code and sentence of each finding that is a warning from then on.
    released_at : datetime
        When, UTC.
    """

    study_key: str
    center: str
    content_digest: str
    released_by: str
    reason: str
    waived: Mapping[str, str]
    released_at: datetime


class OperatorActions:
    """The part of the registry that records what operators decide."""

    _database: Database

    def release(
        self, study_key: str, released_by: str, reason: str, waived: Mapping[str, str]
    ) -> Release:
        """Release the newest content of a quarantined study: it is worked on again, with the
        findings as warnings.

        Parameters
        ----------
        study_key : str
            The study.
        released_by, reason : str
            Who decides, and why; both are shown with the score.
        waived : mapping of str to str
            Code and sentence of the findings.

        Raises
        ------
        UnknownStudyError
            If there is no such study.
        StudyStateError
            If it is not quarantined or was never complete, nothing is waived, or name or reason is
            empty or too long.
        """
        by, why = (" ".join(text.split()) for text in (released_by, reason))
        for what, text, longest in (("name", by, LONGEST_NAME), ("reason", why, LONGEST_REASON)):
            if not 0 < len(text) <= longest:
                raise StudyStateError(
                    f"the {what} of a release has {len(text)} characters: expected 1 to {longest}, "
                    "no patient's data"
                )
        if not waived:
            raise StudyStateError(
                f"nothing is waived by this release of study {study_key}: name at least one finding"
            )
        now = self._database.now()
        with self._database.write() as connection:
            study = require_study(connection, study_key)
            row = _newest_content(connection, study_key)
            is_found_wanting = (
                row is not None
                and state_of_outbox_row(connection, row)[0] is StudyState.QUARANTINED
            )
            if study.state != StudyState.QUARANTINED or row is None or not is_found_wanting:
                raise StudyStateError(
                    f"study {study_key} is {study.state}: only a complete study that is "
                    "quarantined can be released"
                )
            made = Release(
                study_key,
                study.center,
                row.content_digest,
                by,
                why,
                MappingProxyType(dict(waived)),
                now,
            )
            connection.execute(
                releases.insert().values(
                    study_key=study_key,
                    content_digest=row.content_digest,
                    released_by=by,
                    reason=why,
                    waived=json.dumps(dict(waived)),
                    released_at=now,
                )
            )
            work_again(connection, study_key, row, now)
        record(AuditEvent.STUDY_RELEASED, center=made.center, study=study_key, findings=len(waived))
        return made

    def releases(
        self, study_key: str | None = None, content_digest: str | None = None
    ) -> list[Release]:
        """Return the releases of all studies, of one, or of one content of it, in their order."""
        table = releases.c
        query = select(releases, outbox.c.center).join(
            outbox,
            and_(
                outbox.c.study_key == table.study_key,
                outbox.c.content_digest == table.content_digest,
            ),
        )
        if study_key is not None:
            query = query.where(table.study_key == study_key)
        if content_digest is not None:
            query = query.where(table.content_digest == content_digest)
        with self._database.read() as connection:
            return [
                Release(
                    study_key=row.study_key,
                    center=row.center,
                    content_digest=row.content_digest,
                    released_by=row.released_by,
                    reason=row.reason,
                    waived=MappingProxyType(json.loads(row.waived)),
                    released_at=row.released_at,
                )
                for row in connection.execute(query.order_by(table.id))
            ]

    def requeue_study(self, study_key: str, *, also_finished: bool = False) -> StudyState:
        """Let a study that is held, failed, incomplete or quarantined be worked on again, at once.

        Parameters
        ----------
        study_key : str
            The study.
        also_finished : bool
            Whether a study that is scored or extracted is done once more.

        Returns
        -------
        StudyState
            The state that it was in.

        Raises
        ------
        UnknownStudyError
            If there is no such study.
        StudyStateError
            If it is being worked on or still arriving, or finished and `also_finished` is not set.
        """
        now = self._database.now()
        with self._database.write() as connection:
            study = require_study(connection, study_key)
            state, row = StudyState(study.state), _newest_content(connection, study_key)
            if row is not None and row.state == OutboxState.CLAIMED and row.due_at > now:
                raise StudyStateError(f"study {study_key} is being worked on: wait for its verdict")
            if state in {StudyState.SCORED, StudyState.EXTRACTED} and not also_finished:
                raise StudyStateError(
                    f"study {study_key} is {state} already: say that it is to be done once more "
                    "(--again), or send its report again with `python -m flows redeliver`"
                )
            if row is None and state is StudyState.RECEIVING:
                raise StudyStateError(f"study {study_key} is still arriving: nothing need be done")
            work_again(connection, study_key, row, now)
        record(AuditEvent.STUDY_REQUEUED, center=study.center, study=study_key, was=str(state))
        return state

    def deliver_again(self, study_key: str) -> Path:
        """Send the newest report of a study to its centre once more.

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
            select(deliveries)
            .where(deliveries.c.study_key == study_key)
            .order_by(deliveries.c.id.desc())
            .limit(1)
        )
        with self._database.write() as connection:
            study = require_study(connection, study_key)
            row = connection.execute(newest).first()
            if row is None:
                raise StudyStateError(
                    f"study {study_key} is {study.state} and has no report to deliver: expected "
                    "one that was scored while its centre had a return_to; `python -m flows "
                    "requeue --again` scores it once more"
                )
            path = Path(row.path)
            if not path.is_file():
                raise StudyStateError(
                    f"the report of study {study_key} is no longer in the node's folder: bring it "
                    "back from the back-up, or make it anew with `python -m flows requeue --again`"
                )
            connection.execute(
                delete(delivery_commitments).where(delivery_commitments.c.delivery_id == row.id)
            )
            again = {"attempts": 0, "due_at": now, "delivered_at": None, "sentence": None}
            connection.execute(update(deliveries).where(deliveries.c.id == row.id).values(again))
        record(AuditEvent.REPORT_REDELIVERED, center=study.center, study=study_key)
        return path


def _newest_content(connection: Connection, study_key: str) -> Row[Any] | None:
    query = (
        select(outbox).where(outbox.c.study_key == study_key).order_by(outbox.c.id.desc()).limit(1)
    )
    return connection.execute(query).first()
