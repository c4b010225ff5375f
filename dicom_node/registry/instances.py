"""The index of what has arrived, and the state of every study; decides completeness in the storing
transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, case, delete, func, select, update

from dicom_node.center import Center
from dicom_node.datasets.identity import Identity
from dicom_node.datasets.instance import InstanceHeader
from dicom_node.datasets.manifest import Manifest
from dicom_node.registry.database import Database
from dicom_node.registry.group_commit import GroupCommit
from dicom_node.registry.schema import (
    centers,
    damaged,
    deliveries,
    instances,
    manifests,
    references,
    studies,
)
from dicom_node.registry.states import StudyState, decide_study, overdue_incidents

_KNOWN_INSTANCE = (
    "SELECT study_key, sop_class_uid, content_sha256, relative_path FROM instances "
    "WHERE center = :center AND instance_key = :instance_key"
)


@dataclass(frozen=True)
class InstanceRecord:
    """One stored instance, as the index keeps it.

    Parameters
    ----------
    center : str
        The centre's name.
    study_key, patient_key, instance_key : str
        Pseudonyms.
    header : InstanceHeader
        What was read of it.
    manifest : Manifest or None
        Of an RTSTRUCT.
    content_sha256 : str
        SHA-256 of the dataset's bytes.
    relative_path : str
        Where it lies in the archive.
    """

    center: str
    study_key: str
    patient_key: str
    instance_key: str
    header: InstanceHeader
    manifest: Manifest | None
    content_sha256: str
    relative_path: str


@dataclass(frozen=True)
class KnownInstance:
    """What the index says of an instance that is here."""

    study_key: str
    sop_class_uid: str
    content_sha256: str
    relative_path: str


@dataclass(frozen=True)
class StudySummary:
    """One line about a study.

    Parameters
    ----------
    study_key, patient_key, center : str
        Which study.
    state : StudyState
        Where it is.
    sentence : str or None
        Why it is there, when that needs saying.
    instances : int
        How many instances are here.
    received_at, updated_at : datetime
        When the first instance came and when the state last changed, UTC.
    delivered : bool or None
        Whether the centre has the newest report; `None` when there is none to deliver.
    """

    study_key: str
    patient_key: str
    center: str
    state: StudyState
    sentence: str | None
    instances: int
    received_at: datetime
    updated_at: datetime
    delivered: bool | None


class StudyIndex:
    """The part of the registry that knows instances and studies."""

    _database: Database
    _group: GroupCommit[InstanceRecord]

    def set_centers(self, known: Iterable[Center]) -> None:
        """Record the centres of the settings, so that other processes know which of them want
        reports.
        """
        with self._database.write() as connection:
            connection.execute(delete(centers))
            for center in known:
                connection.execute(
                    centers.insert().values(
                        name=center.name, wants_reports=center.return_to is not None
                    )
                )

    def known_instance(self, center: str, instance_key: str) -> KnownInstance | None:
        """Return what is known of an instance, or `None`."""
        found = self._database.first(
            _KNOWN_INSTANCE, {"center": center, "instance_key": instance_key}
        )
        return KnownInstance(*found) if found else None

    def known_paths(self) -> set[str]:
        """Return the relative path of every indexed instance."""
        with self._database.read() as connection:
            return set(connection.scalars(select(instances.c.relative_path)))

    def add_instance(self, record: InstanceRecord) -> None:
        """Index a stored instance; when it completes its study, the outbox row is written in the
        same transaction.

        Idempotent: an instance that is known already changes nothing but the study's quiet period.

        Raises
        ------
        RegistryUnavailableError
            If the transaction did not commit.
        """
        self._group.submit(record)

    def add_instances(self, records: Sequence[InstanceRecord]) -> None:
        """Index stored instances in one transaction, and decide each study once."""
        now = self._database.now()
        unique = {(one.center, one.instance_key): one for one in records}
        ordered = sorted(unique.values(), key=lambda one: (one.study_key, one.instance_key))
        with self._database.write(can_be_rebuilt=True) as connection:
            self._lock_studies(connection, ordered, now)
            changed = self._mend(connection, ordered) | self._insert(connection, ordered, now)
            waiting = {one.study_key for one in ordered} - changed
            _touch(connection, changed, now)
            for study_key in waiting:
                is_waiting = and_(studies.c.study_key == study_key, studies.c.is_open)
                connection.execute(update(studies).where(is_waiting).values(last_instance_at=now))
            for study_key in sorted(changed):
                decide_study(connection, study_key, now)

    def note_damaged(
        self, center: str, study_key: str, patient_key: str, identity: Identity
    ) -> None:
        """Remember that an instance of a study came damaged, until it comes undamaged."""
        now = self._database.now()
        with self._database.write() as connection:
            self._lock_study(connection, center, study_key, patient_key, now)
            here = select(instances.c.id).where(
                instances.c.study_key == study_key,
                instances.c.sop_instance_uid == identity.sop_instance_uid,
            )
            if connection.execute(here).first():
                return
            row = self._database.insert(damaged).values(
                study_key=study_key,
                sop_instance_uid=identity.sop_instance_uid,
                series_instance_uid=identity.series_instance_uid,
            )
            connection.execute(row.on_conflict_do_nothing())
            _touch(connection, (study_key,), now)
            decide_study(connection, study_key, now)

    def forget_instances(self, relative_paths: Iterable[str]) -> None:
        """Remove instances whose files are gone, so that they are accepted again."""
        with self._database.write() as connection:
            for path in relative_paths:
                connection.execute(delete(instances).where(instances.c.relative_path == path))

    def restart_quiet_periods(self) -> None:
        """Let every open study wait for a full quiet period again: nothing could arrive while the
        node was down.
        """
        now = self._database.now()
        with self._database.write() as connection:
            connection.execute(
                update(studies).where(studies.c.is_open).values(last_instance_at=now)
            )

    def settle(self, center: Center) -> int:
        """Decide the studies of a centre whose quiet period has passed.

        Parameters
        ----------
        center : Center
            The centre, with its quiet period and its rule.

        Returns
        -------
        int
            How many studies were decided.
        """
        now = self._database.now()
        is_due = and_(
            studies.c.is_open.is_(True),
            studies.c.center == center.name,
            studies.c.last_instance_at <= now - timedelta(seconds=center.quiet_period_s),
        )
        with self._database.read() as connection:
            due = list(connection.scalars(select(studies.c.study_key).where(is_due)))
        for study_key in due:
            with self._database.write() as connection:
                locked = (
                    select(studies.c.study_key)
                    .where(studies.c.study_key == study_key, is_due)
                    .with_for_update()
                )
                if connection.execute(locked).first():
                    decide_study(connection, study_key, now, center.completeness)
        return len(due)

    def overdue(self, after_s: float) -> list[tuple[str, str, str]]:
        """Return centre, study and sentence of what has been incomplete for so many seconds and was
        not told yet.
        """
        before = self._database.now() - timedelta(seconds=after_s)
        with self._database.read() as connection:
            return overdue_incidents(connection, before)

    def studies(self, center: str | None = None) -> list[StudySummary]:
        """Return every study, the newest first.

        Parameters
        ----------
        center : str, optional
            Only this centre's.
        """
        counts = (
            select(func.count())
            .where(instances.c.study_key == studies.c.study_key)
            .scalar_subquery()
        )
        newest_delivery = (
            select(case((deliveries.c.delivered_at.is_(None), 0), else_=1))
            .where(deliveries.c.study_key == studies.c.study_key)
            .order_by(deliveries.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = select(
            studies, counts.label("instances"), newest_delivery.label("delivered")
        ).order_by(studies.c.received_at.desc(), studies.c.study_key)
        if center is not None:
            query = query.where(studies.c.center == center)
        with self._database.read() as connection:
            return [
                StudySummary(
                    study_key=row.study_key,
                    patient_key=row.patient_key,
                    center=row.center,
                    state=StudyState(row.state),
                    sentence=row.sentence,
                    instances=row.instances,
                    received_at=row.received_at,
                    updated_at=row.updated_at,
                    delivered=None if row.delivered is None else bool(row.delivered),
                )
                for row in connection.execute(query)
            ]

    def _insert(
        self, connection: Connection, records: Sequence[InstanceRecord], now: datetime
    ) -> set[str]:
        """Insert what is not here yet, and return the studies that it belongs to."""
        keys = [one.instance_key for one in records]
        row = instances.c
        here = {
            (one.center, one.instance_key)
            for one in connection.execute(
                select(row.center, row.instance_key).where(row.instance_key.in_(keys))
            )
        }
        new = [one for one in records if (one.center, one.instance_key) not in here]
        if not new:
            return set()
        connection.execute(instances.insert(), [_row(one, now) for one in new])
        for one in new:
            if one.manifest is not None:
                at = and_(row.center == one.center, row.instance_key == one.instance_key)
                instance_id = connection.scalars(select(row.id).where(at)).one()
                _insert_manifest(connection, instance_id, one.study_key, one.manifest)
        return {one.study_key for one in new}

    def _mend(self, connection: Connection, records: Sequence[InstanceRecord]) -> set[str]:
        """Forget the damage of what has come undamaged now, and return the studies that it belongs
        to.
        """
        keys = {one.study_key for one in records}
        waiting = select(damaged.c.study_key, damaged.c.sop_instance_uid).where(
            damaged.c.study_key.in_(keys)
        )
        lost = {(one.study_key, one.sop_instance_uid) for one in connection.execute(waiting)}
        mended = lost & {(one.study_key, one.header.identity.sop_instance_uid) for one in records}
        for study_key, uid in mended:
            at = and_(damaged.c.study_key == study_key, damaged.c.sop_instance_uid == uid)
            connection.execute(delete(damaged).where(at))
        return {study_key for study_key, _ in mended}

    def _lock_studies(
        self, connection: Connection, records: Sequence[InstanceRecord], now: datetime
    ) -> None:
        """Make the studies' rows where there are none, and hold them in order; last instances see
        each other.
        """
        by_study = {one.study_key: one for one in records}
        for study_key, one in by_study.items():
            self._lock_study(connection, one.center, study_key, one.patient_key, now)

    def _lock_study(
        self, connection: Connection, center: str, study_key: str, patient_key: str, now: datetime
    ) -> None:
        """Make the study's row if there is none, and hold it, so that two last instances see each
        other.
        """
        lock = select(studies.c.study_key).where(studies.c.study_key == study_key).with_for_update()
        if connection.execute(lock).first():
            return
        row = self._database.insert(studies).values(
            study_key=study_key,
            patient_key=patient_key,
            center=center,
            state=StudyState.RECEIVING,
            is_open=True,
            received_at=now,
            last_instance_at=now,
            updated_at=now,
        )
        connection.execute(row.on_conflict_do_nothing())
        connection.execute(lock).one()


def _row(record: InstanceRecord, now: datetime) -> dict[str, object]:
    identity = record.header.identity
    return {
        "center": record.center,
        "instance_key": record.instance_key,
        "study_key": record.study_key,
        "patient_key": record.patient_key,
        "sop_instance_uid": identity.sop_instance_uid,
        "sop_class_uid": identity.sop_class_uid,
        "series_instance_uid": identity.series_instance_uid,
        "frame_of_reference_uid": record.header.frame_of_reference_uid,
        "plane": json.dumps(asdict(record.header.plane)) if record.header.plane else None,
        "content_sha256": record.content_sha256,
        "relative_path": record.relative_path,
        "received_at": now,
    }


def _touch(connection: Connection, study_keys: Iterable[str], now: datetime) -> None:
    for study_key in study_keys:
        at = studies.c.study_key == study_key
        connection.execute(update(studies).where(at).values(is_open=True, last_instance_at=now))


def _insert_manifest(
    connection: Connection, instance_id: int, study_key: str, manifest: Manifest
) -> None:
    connection.execute(
        manifests.insert().values(
            instance_id=instance_id,
            study_key=study_key,
            frame_of_reference_uid=manifest.frame_of_reference_uid,
            contour_bounds_mm=json.dumps(manifest.contour_bounds_mm),
            made_at=json.dumps(manifest.made_at),
        )
    )
    listed = [
        {"manifest_id": instance_id, "sop_instance_uid": uid}
        for uid in manifest.referenced_sop_instance_uids
    ]
    if listed:
        connection.execute(references.insert(), listed)
