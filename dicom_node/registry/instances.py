"""The index of what has arrived; a study that an instance completes is decided in the same
transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, and_, case, delete, select, update

from dicom_node.datasets.identity import Identity
from dicom_node.datasets.instance import InstanceHeader
from dicom_node.datasets.instance_versions import version_of
from dicom_node.datasets.manifest import Manifest
from dicom_node.registry.contents import studies_joined_with, study_contents
from dicom_node.registry.database import Database
from dicom_node.registry.duplicate_patients import tell_of_duplicate_patients
from dicom_node.registry.manifest_record import manifest_text
from dicom_node.registry.replacing import replace_older
from dicom_node.registry.schema import (
    damaged,
    instances,
    manifests,
    references,
    studies,
)
from dicom_node.registry.states import StudyState, decide_study

_ROWS_AT_A_TIME = 1000
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
    patients_alike : frozenset of str
        Pseudonyms of Patient IDs that differ from its own in upper and lower case only.
    """

    center: str
    study_key: str
    patient_key: str
    instance_key: str
    header: InstanceHeader
    manifest: Manifest | None
    content_sha256: str
    relative_path: str
    patients_alike: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KnownInstance:
    """What the index says of an instance that is here."""

    study_key: str
    sop_class_uid: str
    content_sha256: str
    relative_path: str


class Instances:
    """The index of what has arrived.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, center: str, instance_key: str) -> KnownInstance | None:
        """Return what is known of an instance, or `None`."""
        found = self._database.first(
            _KNOWN_INSTANCE, {"center": center, "instance_key": instance_key}
        )
        return KnownInstance(*found) if found else None

    def paths(self) -> set[str]:
        """Return the relative path of every indexed instance."""
        with self._database.read() as connection:
            return set(connection.scalars(select(instances.c.relative_path)))

    def add(
        self, records: Sequence[InstanceRecord], accepted_by: str = "", reason: str = ""
    ) -> None:
        """Index stored instances in one transaction, and decide each study once; what they complete
        gets its outbox row in it.

        Idempotent: an instance that is known already changes nothing but the study's quiet period,
        unless it is a newer content of it. That takes the place of the older, whose file stays, and
        its study is decided after its quiet period, when all of them have come; so is the study
        that it was in before, if that is another, and the one on whose CT an older RTSTRUCT was
        drawn.

        Parameters
        ----------
        records : sequence of InstanceRecord
            The instances.
        accepted_by, reason : str
            Who accepted newer contents and why; empty for the policy of the centre.

        Raises
        ------
        RegistryUnavailableError
            If the transaction did not commit.
        """
        now = self._database.now()
        by_version = sorted(records, key=lambda one: version_of(one.relative_path))
        unique = {(one.center, one.instance_key): one for one in by_version}
        ordered = sorted(unique.values(), key=lambda one: (one.study_key, one.instance_key))
        with self._database.write(can_be_rebuilt=True) as connection:
            self._lock_studies(connection, ordered, now)
            replaced = replace_older(connection, ordered, (accepted_by, reason), now)
            mended = self._mend(connection, ordered)
            changed = replaced | mended | self._insert(connection, ordered, now)
            waiting = {one.study_key for one in ordered} - changed
            for study_key in waiting:
                is_waiting = and_(studies.c.study_key == study_key, studies.c.is_open)
                connection.execute(update(studies).where(is_waiting).values(last_instance_at=now))
            _decide(connection, changed, now)

    def without_drawings(self) -> list[str]:
        """Return the relative paths of RTSTRUCTs whose manifest an earlier version kept, without
        what is drawn of each ROI.
        """
        query = (
            select(instances.c.relative_path)
            .join(manifests, manifests.c.instance_id == instances.c.id)
            .where(manifests.c.drawn.is_(None))
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def renew(self, record: InstanceRecord) -> None:
        """Replace the manifest of an RTSTRUCT that is indexed, and decide its study if it is not
        complete.
        """
        now = self._database.now()
        with self._database.write(can_be_rebuilt=True) as connection:
            self._lock_studies(connection, [record], now)
            at = and_(
                instances.c.center == record.center,
                instances.c.instance_key == record.instance_key,
            )
            instance_id = connection.scalar(select(instances.c.id).where(at))
            if instance_id is None or record.manifest is None:
                return
            connection.execute(delete(references).where(references.c.manifest_id == instance_id))
            connection.execute(delete(manifests).where(manifests.c.instance_id == instance_id))
            _insert_manifest(connection, instance_id, record.study_key, record.manifest)
            is_undone = select(studies.c.study_key).where(
                studies.c.study_key == record.study_key,
                studies.c.state.in_((StudyState.RECEIVING, StudyState.INCOMPLETE)),
            )
            if connection.execute(is_undone).first():
                _decide(connection, {record.study_key}, now)

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

    def forget(self, relative_paths: Iterable[str]) -> None:
        """Remove instances whose files are gone, so that they are accepted again."""
        with self._database.write() as connection:
            for path in relative_paths:
                connection.execute(delete(instances).where(instances.c.relative_path == path))

    def _insert(
        self, connection: Connection, records: Sequence[InstanceRecord], now: datetime
    ) -> set[str]:
        """Insert what is not here yet, and return the studies that it belongs to."""
        keys = [one.instance_key for one in records]
        row = instances.c
        is_one, among = self._database.among("instance_key", keys)
        here = {
            (one.center, one.instance_key)
            for one in connection.execute(select(row.center, row.instance_key).where(is_one), among)
        }
        new = [one for one in records if (one.center, one.instance_key) not in here]
        if not new:
            return set()
        tell_of_duplicate_patients(self._database, connection, new)
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
        """Make the studies' rows where there are none, and hold them and the other studies of their
        patients in order; last instances see each other.
        """
        by_study = {one.study_key: one for one in records}
        patients = {(one.center, one.patient_key) for one in records}
        others = {
            key
            for center, patient_key in patients
            for key in connection.scalars(
                select(studies.c.study_key).where(
                    studies.c.center == center, studies.c.patient_key == patient_key
                )
            )
        }
        moved = [one.instance_key for one in records if version_of(one.relative_path)]
        if moved:  # their older contents may be in studies of other patients
            is_one, among = self._database.among("instance_key", moved)
            here = select(instances.c.study_key).where(is_one).distinct()
            others.update(connection.scalars(here, among))
        in_order = sorted({*by_study, *others})
        for is_new, group in groupby(in_order, key=by_study.__contains__):
            if is_new:
                for one in map(by_study.__getitem__, group):
                    self._lock_study(connection, one.center, one.study_key, one.patient_key, now)
            else:
                is_one, among = self._database.among("study_key", list(group))
                held = select(studies.c.study_key).where(is_one).order_by(studies.c.study_key)
                connection.execute(held.with_for_update(), among).all()

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
            open_since=now,
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
        "plane": json.dumps(vars(record.header.plane)) if record.header.plane else None,
        "content_sha256": record.content_sha256,
        "relative_path": record.relative_path,
        "received_at": now,
        "is_localizer": record.header.is_localizer,
    }


def _decide(connection: Connection, changed: Collection[str], now: datetime) -> None:
    """Decide studies that something came for, and those that hang on them: a CT's, of which an
    RTSTRUCT came in another study, and an RTSTRUCT's, whose CT came in another.
    """
    with_ct: set[str] = set()
    with_rtstruct: set[str] = set()
    for study_key in changed:
        found = studies_joined_with(connection, study_key)
        with_ct |= found[0]
        with_rtstruct |= found[1]
    opened = {*changed, *with_ct}
    _touch(connection, opened, now)
    for study_key in sorted(opened):
        decide_study(connection, study_key, now)
    for study_key in sorted(with_rtstruct - opened):
        if not study_contents(connection, study_key).rtstructs:
            decide_study(connection, study_key, now)


def _touch(connection: Connection, study_keys: Iterable[str], now: datetime) -> None:
    opened = {
        "is_open": True,
        "last_instance_at": now,
        "open_since": case((studies.c.is_open, studies.c.open_since), else_=now),
    }
    for study_key in study_keys:
        connection.execute(update(studies).where(studies.c.study_key == study_key).values(opened))


def _insert_manifest(
    connection: Connection, instance_id: int, study_key: str, manifest: Manifest
) -> None:
    connection.execute(
        manifests.insert().values(
            instance_id=instance_id,
            study_key=study_key,
            made_at=json.dumps(manifest.made_at),
            drawn=manifest_text(manifest),
        )
    )
    uids = manifest.referenced_sop_instance_uids
    for start in range(0, len(uids), _ROWS_AT_A_TIME):  # what is executed is copied several times
        connection.execute(
            references.insert(),
            [
                {"manifest_id": instance_id, "sop_instance_uid": uid}
                for uid in uids[start : start + _ROWS_AT_A_TIME]
            ],
        )
