"""The studies: where each of them is, and what becomes of one that has gone quiet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    true,
    update,
)

from dicom_node.center import Center, ReturnedObject
from dicom_node.datasets.sop_classes import RT_STRUCTURE_SET_STORAGE
from dicom_node.errors import IncidentKind, StudyStateError, UnknownStudyError
from dicom_node.pseudonym import LENGTH, is_pseudonym
from dicom_node.registry.database import Database
from dicom_node.registry.people import KnownStudy
from dicom_node.registry.retrievals import ask_first, is_held_back
from dicom_node.registry.schema import (
    deliveries,
    incidents,
    instances,
    outbox,
    replacements,
    studies,
)
from dicom_node.registry.states import StudyState, decide_study
from dicom_node.registry.study_files import InstanceFile
from dicom_node.wording import counted


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


class Studies:
    """Every study that anything has come of.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def restart_quiet_periods(self) -> None:
        """Let every open study wait for a full quiet period again: nothing could arrive while the
        node was down.
        """
        now = self._database.now()
        with self._database.write() as connection:
            connection.execute(
                update(studies)
                .where(studies.c.is_open)
                .values(last_instance_at=now, open_since=now)
            )

    def settle(self, center: Center) -> int:
        """Decide the studies of a centre whose quiet period has passed, or that have been waited
        for as long as that may be; where the centre's PACS can be asked for what one lacks, that
        comes first.

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
            or_(
                studies.c.last_instance_at <= now - timedelta(seconds=center.quiet_period_s),
                studies.c.open_since <= now - timedelta(seconds=center.longest_wait_s),
            ),
            ~is_held_back(now, center),
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
                if connection.execute(locked).first() is None:
                    continue
                asks = center.query_from is not None
                if not asks or not ask_first(self._database, connection, study_key, now, center):
                    decide_study(connection, study_key, now, center)
        return len(due)

    def overdue(self, after_s: float) -> list[tuple[str, str, str]]:
        """Return centre, study and sentence of every study that has been incomplete for so many
        seconds.

        Those that an incident already tells of in the same words are left out.
        """
        before = self._database.now() - timedelta(seconds=after_s)
        told = (
            select(incidents.c.id)
            .where(
                incidents.c.kind == str(IncidentKind.INCOMPLETE_STUDY),
                incidents.c.subject == studies.c.study_key,
                incidents.c.sentence == studies.c.sentence,
            )
            .exists()
        )
        query = select(studies.c.center, studies.c.study_key, studies.c.sentence).where(
            studies.c.state == str(StudyState.INCOMPLETE), studies.c.updated_at <= before, ~told
        )
        with self._database.read() as connection:
            return [(row.center, row.study_key, row.sentence) for row in connection.execute(query)]

    def replaced_contents(self) -> dict[tuple[str, str, str, str], bool]:
        """Return the contents of all studies of which instances were replaced, and whether they are
        contents of before.

        Returns
        -------
        dict of tuple to bool
            By centre, patient key, study key and content digest: whether one of the content's
            instances has a newer content, or is in another study, since the content was complete.
        """
        row = replacements.c
        since = select(row.center, row.instance_key, func.max(row.last_content).label("last"))
        studies_with = select(row.study_key).distinct()
        query = select(outbox).where(outbox.c.study_key.in_(studies_with))
        with self._database.read() as connection:
            last = {
                (one.center, one.instance_key): one.last
                for one in connection.execute(since.group_by(row.center, row.instance_key))
            }
            return {
                (one.center, one.patient_key, one.study_key, one.content_digest): any(
                    last.get((one.center, key), -1) >= one.id
                    for key in json.loads(one.instance_keys)
                )
                for one in connection.execute(query)
            }

    def named(self, pseudonym: str) -> KnownStudy:
        """Return the study that is meant: by its own, or by that of a patient of
        whom there is one study; as the name of a run has it, with the centre before it, too.

        Parameters
        ----------
        pseudonym : str
            What a person gave.

        Raises
        ------
        UnknownStudyError
            If there is no such study or patient.
        StudyStateError
            If there are several studies of that patient.
        """
        key = pseudonym.rpartition("·")[2].strip()
        if not is_pseudonym(key):
            # It may be a Patient ID, which no message must hold, or what no database takes.
            raise UnknownStudyError(
                f"No study and no patient has the name that was given, of "
                f"{counted(len(key), 'character')}: expected a pseudonym, {LENGTH} of a to z and "
                "2 to 7, as `python -m dicom_node status` lists them."
            )
        row = studies.c
        query = select(row.center, row.patient_key, row.study_key, row.state, row.received_at)
        with self._database.read() as connection:
            one = connection.execute(query.where(row.study_key == key)).first()
            if one is not None:
                return KnownStudy(*one[:3])
            of_patient = query.where(row.patient_key == key, row.state != str(StudyState.JOINED))
            found = connection.execute(of_patient.order_by(row.received_at)).all()
        if not found:
            raise UnknownStudyError(
                f"No study and no patient has the pseudonym {key}: expected one of those that "
                "`python -m dicom_node status` lists."
            )
        if len(found) > 1:
            listed = ", ".join(
                f"{one.study_key} ({one.state}, received {one.received_at:%Y-%m-%d})"
                for one in found
            )
            raise StudyStateError(
                f"Patient {key} of centre {found[0].center} has "
                f"{counted(len(found), 'study', 'studies')}, expected the pseudonym of one of "
                f"them: {listed}."
            )
        return KnownStudy(*found[0][:3])

    def rtstructs(self, study_key: str, archive_folder: Path) -> tuple[InstanceFile, ...]:
        """Return every RTSTRUCT of a study, by its SOP Instance UID.

        Parameters
        ----------
        study_key : str
            The study.
        archive_folder : Path
            The folder in which instance files are looked up.
        """
        query = (
            select(instances)
            .where(
                instances.c.study_key == study_key,
                instances.c.sop_class_uid == RT_STRUCTURE_SET_STORAGE,
            )
            .order_by(instances.c.sop_instance_uid)
        )
        with self._database.read() as connection:
            return tuple(
                InstanceFile(
                    archive_folder / row.relative_path, row.content_sha256, row.sop_instance_uid
                )
                for row in connection.execute(query)
            )

    def summaries(self, center: str | None = None) -> list[StudySummary]:
        """Return every study, the newest first.

        Parameters
        ----------
        center : str, optional
            Only this centre's.
        """
        is_wanted = true() if center is None else studies.c.center == center
        query = summaries_of(is_wanted).order_by(studies.c.received_at.desc(), studies.c.study_key)
        with self._database.read() as connection:
            return [summary_of(row) for row in connection.execute(query)]


def newest_delivery() -> ScalarSelect[int]:
    """Return, within a query on the studies, whether the newest report of each was delivered: 1 or
    0, and NULL where there is none.
    """
    return (
        select(case((deliveries.c.delivered_at.is_(None), 0), else_=1))
        .where(
            deliveries.c.study_key == studies.c.study_key,
            deliveries.c.kind == ReturnedObject.SR,
        )
        .order_by(deliveries.c.id.desc())
        .limit(1)
        .correlate(studies)
        .scalar_subquery()
    )


def summaries_of(is_wanted: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the summaries of some studies, in no order."""
    counts = (
        select(func.count()).where(instances.c.study_key == studies.c.study_key).scalar_subquery()
    )
    return select(studies, counts.label("instances"), newest_delivery().label("delivered")).where(
        is_wanted
    )


def summary_of(row: Row[Any]) -> StudySummary:
    """Return the summary that a row of `summaries_of` holds."""
    return StudySummary(
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
