"""The outbox: studies that are complete and wait for somebody to score them, and what became of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from dicom_node.audit import AuditEvent, record
from dicom_node.center import ReturnedObject
from dicom_node.errors import StudyStateError, UnknownStudyError
from dicom_node.registry.centers import wants_reports
from dicom_node.registry.database import Database
from dicom_node.registry.decisions import Remark
from dicom_node.registry.deliveries import queue_report
from dicom_node.registry.results import record_result, result_key
from dicom_node.registry.schema import outbox
from dicom_node.registry.states import (
    OutboxState,
    StudyState,
    is_newest,
    newest_content,
    require_study,
    set_state,
    work_again,
)
from dicom_node.registry.study_files import StudyFiles, files_of, remarks_of


@dataclass(frozen=True)
class OutboxItem:
    """One complete study content that somebody has claimed.

    Parameters
    ----------
    id : int
        Its number.
    study_key, patient_key, center : str
        Which study.
    content_digest : str
        Digest of the RTSTRUCT and the chosen CT slices.
    warnings : tuple of Remark
        What is unusual about how it was completed.
    attempts : int
        How often it has been claimed, this time included.
    flow_run_id : str or None
        The run that was last started for it.
    created_at : datetime
        When the study became complete, UTC.
    """

    id: int
    study_key: str
    patient_key: str
    center: str
    content_digest: str
    warnings: tuple[Remark, ...]
    attempts: int
    flow_run_id: str | None
    created_at: datetime


class Outbox:
    """Hands out complete studies and takes back their results.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    archive_folder : Path
        The folder in which instance files are looked up.
    """

    def __init__(self, database: Database, archive_folder: Path) -> None:
        self._database = database
        self._archive_folder = archive_folder

    def has_due(self) -> bool:
        """Say whether a row is due that nobody holds, without waiting for whoever writes."""
        with self._database.read() as connection:
            return (
                connection.execute(select(outbox.c.id).where(self._is_free()).limit(1)).first()
                is not None
            )

    def claim(self, owner: str, lease_s: float) -> OutboxItem | None:
        """Claim the oldest row that is due and that nobody holds; atomic between threads and
        processes.

        Parameters
        ----------
        owner : str
            Who claims.
        lease_s : float
            Seconds after which the row may be claimed by somebody else, unless it is renewed.

        Returns
        -------
        OutboxItem or None
            The row, or `None` when nothing is due.
        """
        now = self._database.now()
        oldest_due = (
            select(outbox)
            .where(self._is_free())
            .order_by(outbox.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            row = connection.execute(oldest_due).first()
            if row is None:
                return None
            claimed = {
                "state": OutboxState.CLAIMED,
                "owner": owner,
                "due_at": now + timedelta(seconds=lease_s),
                "attempts": outbox.c.attempts + 1,
                "sentence": None,
            }
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(claimed))
            if row.state == OutboxState.HELD and is_newest(connection, row):
                set_state(connection, row.study_key, StudyState.QUEUED, None, now)
            return _item(row, attempts=row.attempts + 1)

    def renew(self, item_id: int, owner: str, lease_s: float) -> bool:
        """Extend a claim.

        Parameters
        ----------
        item_id : int
            The row.
        owner : str
            Who claimed it.
        lease_s : float
            Seconds from now on.

        Returns
        -------
        bool
            `False` if the claim was lost: somebody else has the row, or it is done.
        """
        due = self._database.now() + timedelta(seconds=lease_s)
        with self._database.write() as connection:
            return bool(connection.execute(_claimed_by(item_id, owner).values(due_at=due)).rowcount)

    def attach_flow_run(self, item_id: int, owner: str, flow_run_id: str) -> None:
        """Remember the run that was started for a claimed row; nothing happens if the claim was
        lost.
        """
        with self._database.write() as connection:
            connection.execute(_claimed_by(item_id, owner).values(flow_run_id=flow_run_id))

    def hold(self, item_id: int, owner: str, sentence: str, retry_after_s: float) -> None:
        """Give a claimed row back, because something other than the study is wrong.

        Parameters
        ----------
        item_id : int
            The row.
        owner : str
            Who claimed it; nothing happens if the claim was lost.
        sentence : str
            What is wrong.
        retry_after_s : float
            Seconds until it is due again.
        """
        now = self._database.now()
        held = {
            "state": OutboxState.HELD,
            "owner": None,
            "due_at": now + timedelta(seconds=retry_after_s),
            "held_since": func.coalesce(outbox.c.held_since, now),
            "sentence": sentence,
        }
        with self._database.write() as connection:
            if not connection.execute(_claimed_by(item_id, owner).values(held)).rowcount:
                return
            row = connection.execute(select(outbox).where(outbox.c.id == item_id)).one()
            if is_newest(connection, row):
                set_state(connection, row.study_key, StudyState.HELD, sentence, now)

    def retry_held(self) -> int:
        """Make every held row due now, and return how many there were."""
        now = self._database.now()
        with self._database.write() as connection:
            held = update(outbox).where(outbox.c.state == OutboxState.HELD, outbox.c.due_at > now)
            return connection.execute(held.values(due_at=now)).rowcount

    def finish(
        self,
        study_key: str,
        content_digest: str,
        model_digest: str | None,
        state: StudyState,
        sentence: str | None,
        structured_report: Path | None,
        beside: Mapping[ReturnedObject, Path] | None = None,
    ) -> None:
        """Record the result of a study content, close its outbox row and queue its report: one
        transaction, once.

        A second call with the same key changes nothing but closes the row.

        Parameters
        ----------
        study_key, content_digest : str
            What was worked on.
        model_digest : str or None
            The model that scored it; `None` when none did.
        state : StudyState
            What became of it.
        sentence : str or None
            Why, when that needs saying.
        structured_report : Path or None
            The report to deliver, unless the centre wants none.
        beside : mapping of ReturnedObject to Path, optional
            Objects to deliver with it; they are sent in the order of `ReturnedObject`.

        Raises
        ------
        UnknownStudyError
            If the study never had this content.
        """
        now = self._database.now()
        key = result_key(study_key, content_digest, model_digest)
        with self._database.write() as connection:
            require_study(connection, study_key)
            row = _content(connection, study_key, content_digest)
            is_new = record_result(self._database, connection, key, state, sentence, now)
            closed = {
                "state": OutboxState.DONE,
                "owner": None,
                "held_since": None,
                "sentence": None,
            }
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(closed))
            if not is_new:
                return
            if is_newest(connection, row):
                set_state(connection, study_key, state, sentence, now)
            files = dict(beside or {})
            if structured_report is not None:
                files[ReturnedObject.SR] = structured_report
            if files and wants_reports(connection, row.center):
                objects = [(kind, files[kind]) for kind in ReturnedObject if kind in files]
                queue_report(self._database, connection, key, row.center, objects, now)

    def requeue(self, study_key: str, *, also_finished: bool = False) -> StudyState:
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
            state, row = StudyState(study.state), newest_content(connection, study_key)
            if row is not None and row.state == OutboxState.CLAIMED and row.due_at > now:
                raise StudyStateError(
                    f"Study {study_key} is being worked on: wait for its verdict."
                )
            if state in {StudyState.SCORED, StudyState.EXTRACTED} and not also_finished:
                raise StudyStateError(
                    f"Study {study_key} is {state} already: say that it is to be done once more "
                    "(--again), or send its report again with `python -m flows redeliver`."
                )
            if row is None and state is StudyState.RECEIVING:
                raise StudyStateError(f"Study {study_key} is still arriving: nothing need be done.")
            work_again(connection, study_key, row, now)
        record(AuditEvent.STUDY_REQUEUED, center=study.center, study=study_key, was=str(state))
        return state

    def files(self, study_key: str, content_digest: str | None = None) -> StudyFiles:
        """Return the files of a study content.

        Parameters
        ----------
        study_key : str
            The study.
        content_digest : str, optional
            The content; by default the newest.

        Raises
        ------
        UnknownStudyError
            If there is no such study or content, or one of its instances has gone.
        """
        with self._database.read() as connection:
            row = _content(connection, study_key, content_digest)
            files = files_of(connection, row, self._archive_folder)
        count = 1 + len(files.ct)
        record(AuditEvent.STUDY_READ, center=row.center, study=study_key, instances=count)
        return files

    def counts(self) -> dict[str, int]:
        """Return how many rows are waiting, claimed, held and done."""
        with self._database.read() as connection:
            grouped = connection.execute(
                select(outbox.c.state, func.count()).group_by(outbox.c.state)
            )
            counts = {str(state): int(count) for state, count in grouped}
        return {str(state): counts.get(state, 0) for state in OutboxState}

    def runs_under_way(self) -> set[str]:
        """Return the runs of the rows that somebody has claimed."""
        query = select(outbox.c.flow_run_id).where(outbox.c.state == OutboxState.CLAIMED)
        with self._database.read() as connection:
            return {run for run in connection.scalars(query) if run is not None}

    def _is_free(self) -> ColumnElement[bool]:
        """Return the condition that a row is due and that nobody holds it."""
        # What waits is due at once, by whoever's clock it was written.
        waits = or_(outbox.c.state == OutboxState.WAITING, self._database.is_due(outbox.c.due_at))
        return and_(outbox.c.state != OutboxState.DONE, waits)


def _item(row: Row[Any], attempts: int) -> OutboxItem:
    return OutboxItem(
        id=row.id,
        study_key=row.study_key,
        patient_key=row.patient_key,
        center=row.center,
        content_digest=row.content_digest,
        warnings=remarks_of(row.warnings),
        attempts=attempts,
        flow_run_id=row.flow_run_id,
        created_at=row.created_at,
    )


def _claimed_by(item_id: int, owner: str) -> Any:
    return update(outbox).where(
        outbox.c.id == item_id, outbox.c.owner == owner, outbox.c.state == OutboxState.CLAIMED
    )


def _content(connection: Connection, study_key: str, content_digest: str | None) -> Row[Any]:
    if content_digest is None:
        row = newest_content(connection, study_key)
    else:
        query = select(outbox).where(
            outbox.c.study_key == study_key, outbox.c.content_digest == content_digest
        )
        row = connection.execute(query).first()
    if row is None:
        raise UnknownStudyError(
            f"Study {study_key} has no complete "
            f"content{f' {content_digest[:12]}...' if content_digest else ''}: expected one that "
            "came through the outbox; `python -m dicom_node status` says what it waits for."
        )
    return row
