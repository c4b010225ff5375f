"""The results: what became of a study content under a model, each recorded once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select

from dicom_node.registry.database import Database
from dicom_node.registry.schema import outbox, results
from dicom_node.registry.states import OutboxState, StudyState

_ANY_MODEL = ""
"""Kept for results that no model made, because a NULL in a key is unequal to itself."""


class Results:
    """What has been done, and by which model; `Outbox.finish` records it.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
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

    def missing(self, center: str, model_digest: str) -> list[str]:
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

    def rows_promised(self) -> list[tuple[str, str, str | None]]:
        """Return what was recorded as scored or extracted of each study's newest content, unless it
        waits in the outbox: study key, content digest and model digest (`None`: extracted).
        """
        newest = select(func.max(outbox.c.id)).group_by(outbox.c.study_key)
        query = (
            select(results.c.study_key, results.c.content_digest, results.c.model_digest)
            .join(
                outbox,
                (outbox.c.study_key == results.c.study_key)
                & (outbox.c.content_digest == results.c.content_digest),
            )
            .where(
                outbox.c.id.in_(newest),
                outbox.c.state == OutboxState.DONE,
                results.c.state.in_([StudyState.SCORED, StudyState.EXTRACTED]),
            )
            .order_by(outbox.c.id)
        )
        with self._database.read() as connection:
            return [
                (study, content, model or None)
                for study, content, model in connection.execute(query)
            ]


def result_key(study_key: str, content_digest: str, model_digest: str | None) -> dict[str, str]:
    """Return the columns that name a result, and the report on it."""
    return {
        "study_key": study_key,
        "content_digest": content_digest,
        "model_digest": model_digest or _ANY_MODEL,
    }


def model_or_none(kept: str) -> str | None:
    """Return the model's digest that a column keeps; `None` where no model made the result."""
    return None if kept == _ANY_MODEL else kept


def record_result(
    database: Database,
    connection: Connection,
    key: Mapping[str, str],
    state: StudyState,
    sentence: str | None,
    now: datetime,
) -> bool:
    """Record a result in an open transaction, and say whether it is the first with its key.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    connection : Connection
        The open one.
    key : mapping of str to str
        `result_key` of what was done.
    state : StudyState
        What became of it.
    sentence : str or None
        Why, when that needs saying.
    now : datetime
        The time, UTC.
    """
    row = database.insert(results).values(**key, state=state, sentence=sentence, finished_at=now)
    # not rowcount, which PostgreSQL's driver does not tell of an INSERT
    added = connection.execute(row.on_conflict_do_nothing().returning(results.c.study_key)).first()
    return added is not None
