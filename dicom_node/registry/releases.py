"""The releases: operators' decisions that a quarantined study is to be scored all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import and_, select

from dicom_node.audit import AuditEvent, record
from dicom_node.errors import StudyStateError
from dicom_node.registry.database import Database
from dicom_node.registry.schema import outbox, releases
from dicom_node.registry.states import (
    StudyState,
    newest_content,
    require_study,
    state_of_outbox_row,
    work_again,
)
from dicom_node.wording import counted

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
        Why the study may be scored despite its findings.
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


class Releases:
    """Who released what out of quarantine, and why.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
                    f"The {what} of a release has {counted(len(text), 'character')}: expected 1 to "
                    f"{longest}, no patient's data."
                )
        if not waived:
            raise StudyStateError(
                f"Nothing is waived by this release of study {study_key}: name at least one "
                "finding."
            )
        now = self._database.now()
        with self._database.write() as connection:
            study = require_study(connection, study_key)
            row = newest_content(connection, study_key)
            is_found_wanting = (
                row is not None
                and state_of_outbox_row(connection, row)[0] is StudyState.QUARANTINED
            )
            if study.state != StudyState.QUARANTINED or row is None or not is_found_wanting:
                raise StudyStateError(
                    f"Study {study_key} is {study.state}: only a complete study that is "
                    "quarantined can be released."
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

    def recorded(
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
