"""The states of studies and of outbox rows, and the one place where a decision changes them."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.center import Center
from dicom_node.errors import NodeError, UnknownStudyError, where_raised
from dicom_node.registry.completeness import decide
from dicom_node.registry.contents import (
    gtv_pattern_of,
    has_rtstruct,
    instance_keys,
    rtstruct_manifest,
    study_contents,
)
from dicom_node.registry.ct_choice import choose_roi
from dicom_node.registry.decisions import (
    Complete,
    Contradictory,
    Decision,
    Incomplete,
    Joined,
    Policy,
    Waiting,
)
from dicom_node.registry.lacking import with_answer
from dicom_node.registry.schema import outbox, replacements, results, retrievals, studies
from dicom_node.wording import counted

_log = logging.getLogger(__name__)


class StudyState(StrEnum):
    """Where a study is."""

    RECEIVING = "receiving"
    INCOMPLETE = "incomplete"
    JOINED = "joined"
    """Its RTSTRUCT was drawn on the CT of another study, which is the one that is scored."""
    QUEUED = "queued"
    HELD = "held"
    EXTRACTED = "extracted"
    SCORED = "scored"
    QUARANTINED = "quarantined"


class OutboxState(StrEnum):
    """Where a row of the outbox is."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    HELD = "held"
    DONE = "done"


def set_state(
    connection: Connection,
    study_key: str,
    state: StudyState,
    sentence: str | None,
    now: datetime,
    **more: Any,
) -> None:
    """Set a study's state; when nothing changes, its time of change stays."""
    row = studies.c
    same_sentence = row.sentence.is_(None) if sentence is None else row.sentence == sentence
    is_same = and_(row.state == state, same_sentence)
    values = {
        "state": state,
        "sentence": sentence,
        "updated_at": case((is_same, row.updated_at), else_=now),
        **more,
    }
    connection.execute(update(studies).where(row.study_key == study_key).values(values))


def require_study(connection: Connection, study_key: str) -> Row[Any]:
    """Return a study's row, held until the transaction ends.

    Raises
    ------
    UnknownStudyError
        If there is none.
    """
    row = connection.execute(
        select(studies).where(studies.c.study_key == study_key).with_for_update()
    ).first()
    if row is None:
        raise UnknownStudyError(
            f"The registry knows no study {study_key}: expected one of those that `python -m "
            "dicom_node status` lists."
        )
    return row


def newest_content(connection: Connection, study_key: str) -> Row[Any] | None:
    """Return the outbox row of a study's newest content, or `None` if it was never complete."""
    query = (
        select(outbox).where(outbox.c.study_key == study_key).order_by(outbox.c.id.desc()).limit(1)
    )
    return connection.execute(query).first()


def is_newest(connection: Connection, row: Row[Any]) -> bool:
    """Say whether a row of the outbox is that of its study's newest content, which gives the study
    its state.
    """
    newest = newest_content(connection, row.study_key)
    return newest is not None and newest.id == row.id


def state_of_outbox_row(connection: Connection, row: Row[Any]) -> tuple[StudyState, str | None]:
    """Return the state and the sentence that a row of the outbox gives its study."""
    if row.state == OutboxState.HELD:
        return StudyState.HELD, row.sentence
    query = (
        select(results.c.state, results.c.sentence)
        .where(results.c.study_key == row.study_key, results.c.content_digest == row.content_digest)
        .order_by(results.c.finished_at.desc())
    )
    result = connection.execute(query).first() if row.state == OutboxState.DONE else None
    return (StudyState(result.state), result.sentence) if result else (StudyState.QUEUED, None)


def decide_study(
    connection: Connection, study_key: str, now: datetime, quiet: Center | None = None
) -> None:
    """Decide a study and record the decision in its state and in the outbox.

    Parameters
    ----------
    connection : Connection
        The transaction that holds the study's row.
    study_key : str
        The study.
    now : datetime
        The time of the decision, UTC.
    quiet : Center, optional
        The centre with its rules, given when the quiet period has passed.
    """
    decision: Decision = Waiting()
    is_changing = awaits_replacements(connection, study_key)
    if quiet is not None or (not is_changing and has_rtstruct(connection, study_key)):
        decision = decision_of(connection, study_key, quiet)
    if quiet is not None:
        decision = with_answer(decision, _answer(connection, study_key))
    if is_changing and not isinstance(decision, (Waiting, Contradictory)):
        undecided = and_(replacements.c.study_key == study_key, replacements.c.decided_at.is_(None))
        connection.execute(update(replacements).where(undecided).values(decided_at=now))
    match decision:
        case Waiting():
            set_state(connection, study_key, StudyState.RECEIVING, None, now)
        case Joined(other):
            sentence = (
                f"Its RTSTRUCT was drawn on the CT of study {other} of the same patient: the "
                "score and the report are there."
            )
            set_state(connection, study_key, StudyState.JOINED, sentence, now, is_open=False)
        case Incomplete(sentence):
            _log.info("Study %s is incomplete. %s", study_key, sentence)
            set_state(connection, study_key, StudyState.INCOMPLETE, sentence, now, is_open=False)
        case Contradictory(sentence):
            _log.warning("Study %s is quarantined. %s", study_key, sentence)
            set_state(connection, study_key, StudyState.QUARANTINED, sentence, now, is_open=False)
        case Complete():
            _enqueue(connection, study_key, decision, now)


def awaits_replacements(connection: Connection, study_key: str) -> bool:
    """Say whether newer contents of a study's instances have come since it was last decided; until
    it is quiet, and as long as old and new identities are mixed, it may hold some of either.
    """
    undecided = select(replacements.c.id).where(
        replacements.c.study_key == study_key, replacements.c.decided_at.is_(None)
    )
    return connection.execute(undecided.limit(1)).first() is not None


def _answer(connection: Connection, study_key: str) -> str | None:
    """Return what the centre's PACS answered when it was asked for what a study lacks."""
    return connection.scalar(
        select(retrievals.c.sentence).where(retrievals.c.study_key == study_key)
    )


def decision_of(connection: Connection, study_key: str, quiet: Center | None) -> Decision:
    """Return what is decided of a study, whatever its index holds: one that cannot be decided must
    not keep others from being decided.

    Parameters
    ----------
    connection : Connection
        An open transaction.
    study_key : str
        The study.
    quiet : Center or None
        The centre with its rules, given when the quiet period has passed.
    """
    try:
        pattern = quiet.gtv_pattern if quiet else gtv_pattern_of(connection, study_key)
        policy = Policy(quiet.completeness, quiet.beyond_gtv_mm) if quiet else None
        return decide(study_contents(connection, study_key), pattern, policy)
    except (NodeError, SQLAlchemyError):
        raise
    except Exception as error:  # noqa: BLE001 - the verdict is the study's, and recorded as its state
        return Contradictory(
            f"The study cannot be decided ({where_raised(error)}): send it again from the planning "
            "system, and tell who maintains Annulus."
        )


def work_again(connection: Connection, study_key: str, row: Row[Any] | None, now: datetime) -> None:
    """Drop the results of a study's content and put it in the outbox again; without one, decide the
    study anew.

    Parameters
    ----------
    connection : Connection
        The transaction that holds the study's row.
    study_key : str
        The study.
    row : Row or None
        Its newest row of the outbox.
    now : datetime
        The time, UTC.
    """
    if row is None:
        # Whoever lets it be worked on again wants the PACS to be asked again.
        connection.execute(delete(retrievals).where(retrievals.c.study_key == study_key))
        reopened = {"is_open": True, "last_instance_at": now, "open_since": now}
        set_state(connection, study_key, StudyState.RECEIVING, None, now, **reopened)
        return
    done = and_(results.c.study_key == study_key, results.c.content_digest == row.content_digest)
    connection.execute(delete(results).where(done))
    waiting = {
        "state": OutboxState.WAITING,
        "owner": None,
        "due_at": now,
        "held_since": None,
        "sentence": None,
        "choice": _gtv_chosen_anew(connection, row),
    }
    connection.execute(update(outbox).where(outbox.c.id == row.id).values(waiting))
    set_state(connection, study_key, StudyState.QUEUED, None, now)


def _enqueue(connection: Connection, study_key: str, complete: Complete, now: datetime) -> None:
    """Write the outbox row of a content unless there is one; the study takes the state that its row
    gives it.
    """
    digest = complete.content_digest
    query = select(outbox).where(outbox.c.study_key == study_key, outbox.c.content_digest == digest)
    if connection.execute(query).first() is None:
        _log.info("Study %s is complete with %s.", study_key, counted(len(complete.ct), "CT slice"))
        keys = instance_keys(connection, {study_key, complete.rtstruct.study_key})
        uids = [complete.rtstruct.sop_instance_uid, *(one.sop_instance_uid for one in complete.ct)]
        connection.execute(
            outbox.insert().values(
                study_key=study_key,
                patient_key=complete.rtstruct.patient_key,
                center=select(studies.c.center)
                .where(studies.c.study_key == study_key)
                .scalar_subquery(),
                content_digest=digest,
                instance_keys=json.dumps([keys[uid] for uid in uids]),
                warnings=json.dumps(complete.warnings),
                choice=json.dumps(_choice_record(complete)),
                state=OutboxState.WAITING,
                due_at=now,
                attempts=0,
                created_at=now,
            )
        )
    state, sentence = state_of_outbox_row(connection, connection.execute(query).one())
    set_state(
        connection,
        study_key,
        state,
        sentence,
        now,
        is_open=False,
        patient_key=complete.rtstruct.patient_key,
    )


def _choice_record(complete: Complete) -> dict[str, Any]:
    """Return which ROI and CT were chosen, and why, as the outbox keeps it."""
    choice = complete.choice
    return {
        "roi_number": complete.gtv.roi.number,
        "roi_verdict": complete.gtv.verdict,
        "older_has_gtv": complete.older_has_gtv,
        "series_instance_uid": choice.series_instance_uid,
        "decided_by": choice.decided_by,
        "answers": dict(choice.answers),
    }


def _gtv_chosen_anew(connection: Connection, row: Row[Any]) -> str | None:
    """Return the choice of a content in the outbox, with the GTV by the centre's present rule."""
    manifest = rtstruct_manifest(connection, row.center, json.loads(row.instance_keys)[0])
    if row.choice is None or manifest is None:
        return None
    gtv = choose_roi(manifest, gtv_pattern_of(connection, row.study_key))
    chosen = {"roi_number": gtv.roi.number, "roi_verdict": gtv.verdict}
    return json.dumps({**json.loads(row.choice), **chosen})
