"""What the registry knows of one person, and how it forgets it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from dicom_node.registry.database import Database
from dicom_node.registry.notices import forget_notices
from dicom_node.registry.schema import (
    commitment_requests,
    damaged,
    deliveries,
    delivery_commitments,
    incidents,
    instances,
    manifests,
    notices,
    outbox,
    references,
    releases,
    replacements,
    results,
    retrievals,
    studies,
)

_STANDARD_UIDS = "1.2.840.10008."
"""Registered by DICOM (PS3.6 annex A), and nobody's own."""


@dataclass(frozen=True, order=True)
class KnownStudy:
    """Whose study is known under which pseudonyms."""

    center: str
    patient_key: str
    study_key: str


@dataclass(frozen=True)
class PersonTraces:
    """Everything by which the registry names one person.

    Parameters
    ----------
    center : str
        The centre.
    patients, studies, instances : frozenset of str
        Pseudonyms.
    uids : frozenset of str
        UIDs as they were received, without those of the standard and those that another person's
        instances have too.
    shared_uids : frozenset of str
        Those that another person's instances have too.
    contents : frozenset of str
        Digests of study contents.
    paths : frozenset of str
        Files of the archive, relative to it, of older contents too.
    reports : frozenset of str
        Files of reports that were to be delivered.
    undelivered : int
        How many of them have not been.
    elsewhere : frozenset of KnownStudy
        Studies of other centres that hold images with the same UIDs.
    """

    center: str
    patients: frozenset[str]
    studies: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    uids: frozenset[str] = frozenset()
    shared_uids: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    reports: frozenset[str] = frozenset()
    undelivered: int = 0
    elsewhere: frozenset[KnownStudy] = frozenset()


class People:
    """Finds all that the registry holds of a person, and removes it.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self) -> list[KnownStudy]:
        """Return every study under each pseudonym of a patient that it was ever seen with."""
        found: set[KnownStudy] = set()
        with self._database.read() as connection:
            for table in (studies, instances, outbox):
                columns = (table.c.center, table.c.patient_key, table.c.study_key)
                found |= {KnownStudy(*row) for row in connection.execute(select(*columns))}
        return sorted(found)

    def traces(self, center: str, patient_key: str) -> PersonTraces:
        """Return all that names a person; studies that held instances of the person are taken
        whole.

        Parameters
        ----------
        center : str
            The centre.
        patient_key : str
            The person's pseudonym there.
        """
        known = [one for one in self.known() if one.center == center]
        mine = {one.study_key for one in known if one.patient_key == patient_key}
        # other pseudonyms of the same person, from a corrected Patient ID; not a patient of its own
        others = {one.patient_key for one in known if one.study_key not in mine}
        patients = {one.patient_key for one in known if one.study_key in mine} - others
        patients.add(patient_key)
        with self._database.read() as connection:
            return self._traces(connection, center, patients, mine)

    def _traces(
        self, connection: Connection, center: str, patients: set[str], mine: set[str]
    ) -> PersonTraces:
        rows = connection.execute(select(instances).where(instances.c.study_key.in_(mine))).all()
        older = connection.execute(
            select(replacements).where(replacements.c.study_key.in_(mine))
        ).all()
        lost = connection.execute(select(damaged).where(damaged.c.study_key.in_(mine))).all()
        uids = {uid for row in rows for uid in _uids(row)} | {
            uid for row in lost for uid in (row.sop_instance_uid, row.series_instance_uid)
        }
        listed = select(references.c.sop_instance_uid).join(
            manifests, manifests.c.instance_id == references.c.manifest_id
        )
        uids |= set(connection.scalars(listed.where(manifests.c.study_key.in_(mine))))
        shared = _held_by_others(connection, uids, mine)
        sent = connection.execute(select(deliveries).where(deliveries.c.study_key.in_(mine))).all()
        contents = {
            digest
            for table in (outbox, results, releases)
            for digest in connection.scalars(
                select(table.c.content_digest).where(table.c.study_key.in_(mine))
            )
        }
        same = select(instances.c.center, instances.c.patient_key, instances.c.study_key).where(
            instances.c.sop_instance_uid.in_([row.sop_instance_uid for row in rows]),
            instances.c.study_key.not_in(mine),
        )
        return PersonTraces(
            center=center,
            patients=frozenset(patients),
            studies=frozenset(mine),
            instances=frozenset(row.instance_key for row in (*rows, *older)),
            uids=frozenset(uid for uid in uids - shared if not uid.startswith(_STANDARD_UIDS)),
            shared_uids=frozenset(shared),
            contents=frozenset(contents),
            paths=frozenset([row.relative_path for row in rows] + [row.old_path for row in older]),
            reports=frozenset(row.path for row in sent),
            undelivered=sum(row.delivered_at is None for row in sent),
            elsewhere=frozenset(KnownStudy(*row) for row in connection.execute(same).unique()),
        )

    def forget(self, traces: PersonTraces, names: Collection[str]) -> int:
        """Remove every row of a person in one transaction, and return how many studies there were.

        Parameters
        ----------
        traces : PersonTraces
            The person's studies and rows, as `traces` found them.
        names : collection of str
            Pseudonyms and UIDs; incidents, notices and requests of others that mention one go too.
        """
        mine = traces.studies
        with self._database.write() as connection:
            self._forget_requests(connection, names)
            said = connection.execute(
                select(incidents.c.id, incidents.c.subject, incidents.c.sentence)
            ).all()
            told = [
                row.id for row in said if any(name in row.subject + row.sentence for name in names)
            ]
            connection.execute(delete(incidents).where(incidents.c.id.in_(told)))
            noted = connection.execute(select(notices.c.id, notices.c.subject, notices.c.sentence))
            forget_notices(
                connection,
                [
                    row.id
                    for row in noted
                    if any(one in row.subject + row.sentence for one in names)
                ],
            )
            sent = select(deliveries.c.id).where(deliveries.c.study_key.in_(mine))
            connection.execute(
                delete(delivery_commitments).where(delivery_commitments.c.delivery_id.in_(sent))
            )
            held = select(instances.c.id).where(instances.c.study_key.in_(mine))
            for table, column in ((references, "manifest_id"), (manifests, "instance_id")):
                connection.execute(delete(table).where(table.c[column].in_(held)))
            mentioned = (deliveries, replacements, retrievals, damaged, releases, results, outbox)
            for table in (*mentioned, instances):
                connection.execute(delete(table).where(table.c.study_key.in_(mine)))
            gone = connection.execute(
                delete(studies).where(studies.c.study_key.in_(mine)).returning(studies.c.study_key)
            )
            return len(gone.all())

    def forget_reports(self, paths: Collection[str]) -> None:
        """Remove the deliveries of reports whose files are gone, a centre's own among them."""
        with self._database.write() as connection:
            which = select(deliveries.c.id).where(deliveries.c.path.in_(paths))
            connection.execute(
                delete(delivery_commitments).where(delivery_commitments.c.delivery_id.in_(which))
            )
            connection.execute(delete(deliveries).where(deliveries.c.path.in_(paths)))

    def scrub(self) -> None:
        """Have the database keep nothing of rows that were removed; nobody else may use it
        meanwhile.
        """
        self._database.scrub()

    def _forget_requests(self, connection: Connection, names: Collection[str]) -> None:
        # One by one: a request names up to a hundred thousand instances.
        for number in connection.scalars(select(commitment_requests.c.id)).all():
            which = commitment_requests.c.id == number
            row = connection.execute(select(commitment_requests).where(which)).one()
            asked = json.loads(row.refs)
            kept = [one for one in asked if one[1] not in names]
            if len(kept) == len(asked):
                continue
            if not kept:
                connection.execute(
                    delete(commitment_requests).where(commitment_requests.c.id == row.id)
                )
            else:
                connection.execute(
                    update(commitment_requests)
                    .where(commitment_requests.c.id == row.id)
                    .values(refs=json.dumps(kept))
                )


def _held_by_others(connection: Connection, uids: set[str], mine: set[str]) -> set[str]:
    """Return those of some UIDs that instances of other studies have: of a scanner that repeats
    them, or of images that came from two centres.
    """
    columns = (
        instances.c.sop_instance_uid,
        instances.c.series_instance_uid,
        instances.c.frame_of_reference_uid,
    )
    return {
        uid
        for column in columns
        for uid in connection.scalars(
            select(column).distinct().where(instances.c.study_key.not_in(mine), column.in_(uids))
        )
    }


def _uids(row: object) -> list[str]:
    names = ("sop_instance_uid", "series_instance_uid", "frame_of_reference_uid")
    return [uid for name in names if (uid := getattr(row, name)) is not None]
