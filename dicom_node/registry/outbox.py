"""The outbox: studies that are complete and wait for somebody to score them, and what became of
them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from dicom_node.audit import AuditEvent, record
from dicom_node.errors import UnknownStudyError
from dicom_node.registry.database import Database
from dicom_node.registry.schema import centers, deliveries, instances, outbox, results
from dicom_node.registry.states import OutboxState, StudyState, require_study, set_state, work_again

_ANY_MODEL = ""
"""Kept for results that no model made, because a NULL in a key is unequal to itself."""


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
    warnings : tuple of str
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
    warnings: tuple[str, ...]
    attempts: int
    flow_run_id: str | None
    created_at: datetime


@dataclass(frozen=True)
class InstanceFile:
    """One archived instance."""

    path: Path
    content_sha256: str
    sop_instance_uid: str


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study content.

    Parameters
    ----------
    study_key, patient_key, center, content_digest : str
        Which study and content.
    rtstruct : InstanceFile
        The RTSTRUCT.
    ct : tuple of InstanceFile
        The chosen slices, sorted by SOP Instance UID.
    warnings : tuple of str
        What is unusual about how it was completed.
    """

    study_key: str
    patient_key: str
    center: str
    content_digest: str
    rtstruct: InstanceFile
    ct: tuple[InstanceFile, ...]
    warnings: tuple[str, ...]


class Outbox:
    """The part of the registry that hands out complete studies and takes back their results."""

    _database: Database
    _archive_folder: Path

    def has_due(self) -> bool:
        """Say whether a row is due that nobody holds, without waiting for whoever writes."""
        with self._database.read() as connection:
            return (
                connection.execute(select(outbox.c.id).where(self._is_due()).limit(1)).first()
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
            .where(self._is_due())
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
            if row.state == OutboxState.HELD and _is_newest(connection, row):
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
            "sentence": sentence,
        }
        with self._database.write() as connection:
            if not connection.execute(_claimed_by(item_id, owner).values(held)).rowcount:
                return
            row = connection.execute(select(outbox).where(outbox.c.id == item_id)).one()
            if _is_newest(connection, row):
                set_state(connection, row.study_key, StudyState.HELD, sentence, now)

    def release_held(self) -> int:
        """Make every held row due now, and return how many there were."""
        now = self._database.now()
        with self._database.write() as connection:
            held = update(outbox).where(outbox.c.state == OutboxState.HELD, outbox.c.due_at > now)
            return connection.execute(held.values(due_at=now)).rowcount

    def _is_due(self) -> ColumnElement[bool]:
        # What waits is due at once, by whoever's clock it was written.
        waits = or_(outbox.c.state == OutboxState.WAITING, self._database.is_due(outbox.c.due_at))
        return and_(outbox.c.state != OutboxState.DONE, waits)

    def finish(
        self,
        study_key: str,
        content_digest: str,
        model_digest: str | None,
        state: StudyState,
        sentence: str | None,
        structured_report: Path | None,
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

        Raises
        ------
        UnknownStudyError
            If the study never had this content.
        """
        now = self._database.now()
        key = {
            "study_key": study_key,
            "content_digest": content_digest,
            "model_digest": model_digest or _ANY_MODEL,
        }
        with self._database.write() as connection:
            require_study(connection, study_key)
            row = _content(connection, study_key, content_digest)
            result = self._database.insert(results).values(
                **key, state=state, sentence=sentence, finished_at=now
            )
            # not rowcount, which PostgreSQL's driver does not tell of an INSERT
            is_new = connection.execute(
                result.on_conflict_do_nothing().returning(results.c.study_key)
            ).first()
            closed = {"state": OutboxState.DONE, "owner": None, "sentence": None}
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(closed))
            if not is_new:
                return
            if _is_newest(connection, row):
                set_state(connection, study_key, state, sentence, now)
            if structured_report is not None and _wants_reports(connection, row.center):
                delivery = self._database.insert(deliveries).values(
                    **key, center=row.center, path=str(structured_report), attempts=0, due_at=now
                )
                again = {
                    "path": str(structured_report),
                    "attempts": 0,
                    "due_at": now,
                    "delivered_at": None,
                }
                connection.execute(
                    delivery.on_conflict_do_update(index_elements=list(key), set_=again)
                )

    def result(
        self, study_key: str, content_digest: str, model_digest: str | None
    ) -> StudyState | None:
        """Return what became of a study content under a model, or `None` if it has not been
        done.
        """
        query = select(results.c.state).where(
            results.c.study_key == study_key,
            results.c.content_digest == content_digest,
            results.c.model_digest == (model_digest or _ANY_MODEL),
        )
        with self._database.read() as connection:
            state = connection.scalar(query)
        return None if state is None else StudyState(state)

    def requeue(self, study_key: str) -> None:
        """Let a study be worked on again; a study that was never complete is decided anew after a
        quiet period.

        The results of its newest content are dropped, so that it is really done again.

        Raises
        ------
        UnknownStudyError
            If there is no such study.
        """
        now = self._database.now()
        with self._database.write() as connection:
            require_study(connection, study_key)
            work_again(connection, study_key, _newest(connection, study_key), now)

    def study_files(self, study_key: str, content_digest: str | None = None) -> StudyFiles:
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
            keys = json.loads(row.instance_keys)
            query = select(instances).where(
                instances.c.study_key == study_key, instances.c.center == row.center
            )
            by_key = {one.instance_key: one for one in connection.execute(query)}
        missing = [key for key in keys if key not in by_key]
        if missing:
            raise UnknownStudyError(
                f"{len(missing)} of the {len(keys)} files of study {study_key} are no longer in "
                "the archive: have the study sent again"
            )
        record(AuditEvent.STUDY_READ, center=row.center, study=study_key, instances=len(keys))
        rtstruct, *ct = (
            InstanceFile(
                self._archive_folder / by_key[key].relative_path,
                by_key[key].content_sha256,
                by_key[key].sop_instance_uid,
            )
            for key in keys
        )
        return StudyFiles(
            study_key=study_key,
            patient_key=row.patient_key,
            center=row.center,
            content_digest=row.content_digest,
            rtstruct=rtstruct,
            ct=tuple(ct),
            warnings=tuple(json.loads(row.warnings)),
        )

    def oldest_waiting(self) -> OutboxItem | None:
        """Return the oldest row that is not done, which says how far behind the scoring is; `None`
        when all is done.
        """
        query = (
            select(outbox).where(outbox.c.state != OutboxState.DONE).order_by(outbox.c.id).limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _item(row, row.attempts)


def _item(row: Row[Any], attempts: int) -> OutboxItem:
    return OutboxItem(
        id=row.id,
        study_key=row.study_key,
        patient_key=row.patient_key,
        center=row.center,
        content_digest=row.content_digest,
        warnings=tuple(json.loads(row.warnings)),
        attempts=attempts,
        flow_run_id=row.flow_run_id,
        created_at=row.created_at,
    )


def _claimed_by(item_id: int, owner: str) -> Any:
    return update(outbox).where(
        outbox.c.id == item_id, outbox.c.owner == owner, outbox.c.state == OutboxState.CLAIMED
    )


def _newest(connection: Connection, study_key: str) -> Row[Any] | None:
    query = (
        select(outbox).where(outbox.c.study_key == study_key).order_by(outbox.c.id.desc()).limit(1)
    )
    return connection.execute(query).first()


def _is_newest(connection: Connection, row: Row[Any]) -> bool:
    newest = _newest(connection, row.study_key)
    return newest is not None and newest.id == row.id


def _content(connection: Connection, study_key: str, content_digest: str | None) -> Row[Any]:
    if content_digest is None:
        row = _newest(connection, study_key)
    else:
        query = select(outbox).where(
            outbox.c.study_key == study_key, outbox.c.content_digest == content_digest
        )
        row = connection.execute(query).first()
    if row is None:
        raise UnknownStudyError(
            f"study {study_key} has no complete "
            f"content{f' {content_digest[:12]}...' if content_digest else ''}: expected one that "
            "came through the outbox; `python -m dicom_node status` says what it waits for"
        )
    return row


def _wants_reports(connection: Connection, center: str) -> bool:
    """Say whether a centre has a return AE; one that the node has not named yet may have one."""
    wants = connection.scalar(select(centers.c.wants_reports).where(centers.c.name == center))
    return wants is None or bool(wants)


class OutboxOverview:
    """The part of the registry that looks at the outbox and changes nothing."""

    _database: Database

    def without_result(self, center: str, model_digest: str) -> list[str]:
        """Return the studies of a centre whose newest content is done, but not by this model; in
        order of arrival.

        What still waits in the outbox, or is being worked on, is not among them: it will be done
        anyway.
        """
        newest = (
            select(func.max(outbox.c.id))
            .where(outbox.c.center == center)
            .group_by(outbox.c.study_key)
        )
        done = (
            select(results.c.study_key)
            .where(
                results.c.study_key == outbox.c.study_key,
                results.c.content_digest == outbox.c.content_digest,
                results.c.model_digest == model_digest,
            )
            .exists()
        )
        query = (
            select(outbox.c.study_key)
            .where(outbox.c.id.in_(newest), outbox.c.state == OutboxState.DONE, ~done)
            .order_by(outbox.c.id)
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def outbox_state(self) -> dict[str, int]:
        """Return how many rows are waiting, claimed, held and done."""
        with self._database.read() as connection:
            counted = connection.execute(
                select(outbox.c.state, func.count()).group_by(outbox.c.state)
            )
            counts = {str(state): int(count) for state, count in counted}
        return {str(state): counts.get(state, 0) for state in OutboxState}

    def runs_under_way(self) -> set[str]:
        """Return the runs of the rows that somebody has claimed."""
        query = select(outbox.c.flow_run_id).where(outbox.c.state == OutboxState.CLAIMED)
        with self._database.read() as connection:
            return {run for run in connection.scalars(query) if run is not None}
