"""The retrievals: what studies lack and their centre's PACS is asked for, once for each content."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from dicom_node.center import Center
from dicom_node.registry.completeness import newest
from dicom_node.registry.contents import gtv_pattern_of, study_contents
from dicom_node.registry.database import Database
from dicom_node.registry.decisions import StudyContents
from dicom_node.registry.lacking import Lacking, content_of, lacking, tells_of_a_lack
from dicom_node.registry.schema import instances, studies
from dicom_node.registry.schema import retrievals as table
from dicom_node.registry.states import StudyState, decision_of, set_state

_UNDECIDED: Final = (StudyState.RECEIVING, StudyState.INCOMPLETE)
_ASKING: Final = "something is missing, and the centre's PACS is asked for it"


class RetrievalState(StrEnum):
    """Where a retrieval is."""

    WAITING = "waiting"
    """To be asked for, or asked for again."""
    DONE = "done"
    """The PACS has answered, and what it has is here."""
    FAILED = "failed"
    """Given up."""


@dataclass(frozen=True)
class Retrieval:
    """What one study lacks, to be asked for now.

    Parameters
    ----------
    study_key, center : str
        The study.
    attempts : int
        How often asking has failed.
    asked_at : datetime
        Since when it is asked for, UTC.
    lacking : Lacking
        What is asked for.
    witness : str
        The archived file, relative to the archive, that names patient and studies: the RTSTRUCT,
        else a CT slice.
    """

    study_key: str
    center: str
    attempts: int
    asked_at: datetime
    lacking: Lacking
    witness: str


class Retrievals:
    """What is asked of the centres' PACS for studies that came without it.

    `Studies.settle` enters them.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, centers: Collection[str], limit: int = 20) -> list[Retrieval]:
        """Return what is due to be asked for, what failed least often first.

        Parameters
        ----------
        centers : collection of str
            Only for these centres.
        limit : int
            At most so many.
        """
        query = (
            select(table)
            .join(studies, studies.c.study_key == table.c.study_key)
            .where(
                table.c.state == RetrievalState.WAITING,
                table.c.center.in_(list(centers)),
                studies.c.state.in_(_UNDECIDED),
                self._database.is_due(table.c.due_at),
            )
            .order_by(table.c.attempts, table.c.due_at, table.c.study_key)
            .limit(limit)
        )
        with self._database.read() as connection:
            found = [_retrieval(connection, row) for row in connection.execute(query).all()]
        return [one for one in found if one is not None]

    def finish(self, study_key: str, sentence: str, *, asks_on: bool = False) -> None:
        """Record what the PACS answered; the study is decided with what is here now.

        Parameters
        ----------
        study_key : str
            The study.
        sentence : str
            What came and what the PACS does not have.
        asks_on : bool
            Whether what came may name more to ask for, as an RTSTRUCT does.
        """
        with self._database.write() as connection:
            held = select(table.c.study_key).where(table.c.study_key == study_key)
            if connection.execute(held.with_for_update()).first() is None:
                return
            values = {"state": RetrievalState.DONE, "sentence": sentence}
            if not asks_on:
                values["content_digest"] = content_of(study_contents(connection, study_key))
            self._end(connection, study_key, values)

    def mark_failed(
        self, study_key: str, sentence: str, retry_after_s: float, *, is_last: bool = False
    ) -> None:
        """Record that asking failed, and when to ask again.

        Parameters
        ----------
        study_key : str
            The study.
        sentence : str
            Why it failed.
        retry_after_s : float
            Seconds until it is due again.
        is_last : bool
            Whether it is given up instead.
        """
        due = self._database.now() + timedelta(seconds=retry_after_s)
        values = {"attempts": table.c.attempts + 1, "sentence": sentence, "due_at": due}
        with self._database.write() as connection:
            if is_last:
                self._end(connection, study_key, {**values, "state": RetrievalState.FAILED})
            else:
                connection.execute(
                    update(table).where(table.c.study_key == study_key).values(values)
                )

    def put_off(self, study_keys: Collection[str], sentence: str, retry_after_s: float) -> None:
        """Record that studies were not asked for, because of another one.

        Parameters
        ----------
        study_keys : collection of str
            The studies.
        sentence : str
            Why the PACS was not asked.
        retry_after_s : float
            Seconds until they are due again.
        """
        due = self._database.now() + timedelta(seconds=retry_after_s)
        which = table.c.study_key.in_(list(study_keys))
        with self._database.write() as connection:
            connection.execute(update(table).where(which).values(sentence=sentence, due_at=due))

    def seconds_asked(self, retrieval: Retrieval) -> float:
        """Return for how long something has been asked for."""
        return (self._database.now() - retrieval.asked_at).total_seconds()

    def lacks(self, center: str, sop_instance_uids: Collection[str]) -> frozenset[str]:
        """Return those of some instances that are not in the index of a centre."""
        is_one, among = self._database.among("sop_instance_uid", sop_instance_uids)
        query = select(instances.c.sop_instance_uid).where(instances.c.center == center, is_one)
        with self._database.read() as connection:
            return frozenset(sop_instance_uids).difference(connection.scalars(query, among))

    def named_by(self, center: str, rtstruct_uid: str) -> Retrieval | None:
        """Return what the study of an RTSTRUCT that is here lacks by that one's list, whether it is
        asked for or not; `None` if the RTSTRUCT is not here.

        Parameters
        ----------
        center : str
            The centre.
        rtstruct_uid : str
            SOP Instance UID of the RTSTRUCT.
        """
        found = instances.c
        query = select(found.study_key, found.relative_path).where(
            found.center == center, found.sop_instance_uid == rtstruct_uid
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            own = study_contents(connection, row.study_key)
            home = own.joined_to or row.study_key
            contents = study_contents(connection, home) if own.joined_to else own
            of_it = [one for one in contents.rtstructs if one.sop_instance_uid == rtstruct_uid]
            wanted = lacking(
                replace(contents, rtstructs=tuple(of_it) or contents.rtstructs),
                gtv_pattern_of(connection, home),
            )
        return Retrieval(home, center, 0, self._database.now(), wanted, row.relative_path)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many retrievals there are, by centre and state."""
        query = select(table.c.center, table.c.state, func.count()).group_by(
            table.c.center, table.c.state
        )
        with self._database.read() as connection:
            return {(center, state): count for center, state, count in connection.execute(query)}

    def _end(self, connection: Connection, study_key: str, values: dict[str, Any]) -> None:
        """Record how a retrieval ended, and let its study be decided unless it is already."""
        now = self._database.now()
        connection.execute(update(table).where(table.c.study_key == study_key).values(values))
        is_undecided = and_(studies.c.study_key == study_key, studies.c.state.in_(_UNDECIDED))
        connection.execute(update(studies).where(is_undecided).values(is_open=True, open_since=now))


def is_held_back(now: datetime, center: Center) -> ColumnElement[bool]:
    """Return the condition that a study waits for what its centre's PACS is asked for, which it
    does no longer than a study may be waited for.

    Parameters
    ----------
    now : datetime
        The time, UTC.
    center : Center
        The centre.
    """
    return (
        select(table.c.study_key)
        .where(
            table.c.study_key == studies.c.study_key,
            table.c.state == RetrievalState.WAITING,
            table.c.asked_at > now - timedelta(seconds=center.longest_wait_s),
        )
        .exists()
    )


def ask_first(
    database: Database, connection: Connection, study_key: str, now: datetime, center: Center
) -> bool:
    """Enter what a study lacks to be asked for, unless it has been for what is here; say whether it
    was.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    connection : Connection
        The one that holds the study's row.
    study_key : str
        The study.
    now : datetime
        The time, UTC.
    center : Center
        The centre, with its rules.
    """
    contents = study_contents(connection, study_key)
    if not tells_of_a_lack(decision_of(connection, study_key, center), contents):
        return False
    digest = content_of(contents)
    asked = select(table.c.content_digest).where(table.c.study_key == study_key)
    if connection.scalar(asked) == digest:
        return False
    values = {
        "center": center.name,
        "content_digest": digest,
        "state": RetrievalState.WAITING,
        "attempts": 0,
        "asked_at": now,
        "due_at": now,
        "sentence": None,
    }
    row = database.insert(table).values(study_key=study_key, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["study_key"], set_=values))
    set_state(connection, study_key, StudyState.RECEIVING, _ASKING, now)
    return True


def _witnesses(contents: StudyContents) -> list[str]:
    if contents.rtstructs:
        return [newest(contents.rtstructs).sop_instance_uid]
    return [one.sop_instance_uid for one in contents.ct[:1]]


def _retrieval(connection: Connection, row: Any) -> Retrieval | None:
    """Return what a study lacks now; `None` if nothing of it is here any more."""
    contents = study_contents(connection, row.study_key)
    wanted = lacking(contents, gtv_pattern_of(connection, row.study_key))
    found = instances.c
    # the newest RTSTRUCT if there is one: its list names the studies of its CT
    witness = (
        select(found.relative_path)
        .where(found.center == row.center, found.sop_instance_uid.in_(_witnesses(contents)))
        .limit(1)
    )
    path = connection.scalar(witness)
    if path is None:
        return None
    return Retrieval(row.study_key, row.center, row.attempts, row.asked_at, wanted, path)
