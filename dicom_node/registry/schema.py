"""The registry's tables."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine

from dicom_node.errors import UnstorableRecordError
from dicom_node.wording import counted

SCHEMA_VERSION: Final = 6
"""2 added `releases`, and deliveries that belong to no study; 3 what an RTSTRUCT says of each ROI,
the choice of ROI and CT, and `replacements`; 4 that a score returns several
objects; 5 `retrievals`; 6 `notices` and `notice_sendings`, and since when a content is held and a
delivery waits. An older registry is brought up to it when opened.
A new table needs a new version: one that a registry of this version lacks is damage.
"""


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC, because SQLite keeps no time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into naive UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn naive UTC into an aware time."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class Characters(TypeDecorator[str]):
    """A text of at most so many characters, on every database: SQLite alone would take any length,
    and NUL, which PostgreSQL does not.
    """

    impl = String
    cache_ok = True

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """Let a text of any length be looked for; it is found nowhere."""
        del op, value
        return String()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text, or say that it cannot be kept."""
        del dialect
        if value is None:
            return None
        longest = cast(String, self.impl_instance).length
        if (longest is not None and len(value) > longest) or not is_storable(value):
            raise UnstorableRecordError(
                f"A text of {counted(len(value), 'character')} cannot be kept in the registry: "
                f"expected at most {longest}, without NUL."
            )
        return value


def is_storable(value: str) -> bool:
    """Say whether every database can hold a text: it has no NUL, and is Unicode."""
    return "\0" not in value and (value.isascii() or not _SURROGATE.search(value))


_KEY = Characters(16)
_DIGEST = Characters(64)
_UID = Characters(64)
_CENTER = Characters(32)

metadata = MetaData()

schema_versions = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

centers = Table(
    "centers",
    metadata,
    Column("name", _CENTER, primary_key=True),
    Column("wants_reports", Boolean, nullable=False),
    Column("gtv_pattern", Text),
)

studies = Table(
    "studies",
    metadata,
    Column("study_key", _KEY, primary_key=True),
    Column("patient_key", _KEY, nullable=False),
    Column("center", _CENTER, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("sentence", Text),
    Column("is_open", Boolean, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("last_instance_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Since when it has been open, for the longest wait.
    Column("open_since", UtcDateTime),
    Index("studies_of_patient", "center", "patient_key"),
    Index("open_studies", "is_open", "center", "last_instance_at"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("center", _CENTER, nullable=False),
    Column("instance_key", _KEY, nullable=False),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("patient_key", _KEY, nullable=False),
    Column("sop_instance_uid", _UID, nullable=False),
    Column("sop_class_uid", _UID, nullable=False),
    Column("series_instance_uid", _UID, nullable=False),
    Column("frame_of_reference_uid", _UID),
    Column("plane", Text),
    Column("content_sha256", _DIGEST, nullable=False),
    Column("relative_path", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("is_localizer", Boolean),
    UniqueConstraint("center", "instance_key"),
    Index("instances_by_uid", "sop_instance_uid"),
    Index("instances_of_study", "study_key", "sop_instance_uid"),
)

manifests = Table(
    "manifests",
    metadata,
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("made_at", Text, nullable=False),
    # `manifest_text`; until a start has read the file again, a manifest of before has none.
    Column("drawn", Text),
)

references = Table(
    "manifest_references",
    metadata,
    Column(
        "manifest_id", ForeignKey("manifests.instance_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("sop_instance_uid", _UID, primary_key=True),
)

replacements = Table(
    "replacements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("center", _CENTER, nullable=False),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("instance_key", _KEY, nullable=False),
    # The newest row of the outbox then: it and those before it are on older contents.
    Column("last_content", Integer, nullable=False),
    Column("old_path", Text, nullable=False),
    Column("old_sha256", _DIGEST, nullable=False),
    Column("new_sha256", _DIGEST, nullable=False),
    Column("accepted_by", Characters(64), nullable=False),
    Column("reason", Characters(300), nullable=False),
    Column("replaced_at", UtcDateTime, nullable=False),
    # None until the study has been decided with it, after its quiet period.
    Column("decided_at", UtcDateTime),
)

damaged = Table(
    "damaged_instances",
    metadata,
    Column("study_key", ForeignKey("studies.study_key"), primary_key=True),
    Column("sop_instance_uid", _UID, primary_key=True),
    Column("series_instance_uid", _UID, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False),
    Column("patient_key", _KEY, nullable=False),
    Column("center", _CENTER, nullable=False),
    Column("content_digest", _DIGEST, nullable=False),
    Column("instance_keys", Text, nullable=False),
    Column("warnings", Text, nullable=False),
    # Which ROI and which CT, and why; what was enqueued before has none.
    Column("choice", Text),
    Column("state", String(8), nullable=False),
    Column("owner", Text),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("flow_run_id", Text),
    Column("sentence", Text),
    # Since when it cannot be worked on, tries between counted in.
    Column("held_since", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("study_key", "content_digest"),
    Index("due_outbox", "state", "due_at"),
)

results = Table(
    "results",
    metadata,
    Column("study_key", ForeignKey("studies.study_key"), primary_key=True),
    Column("content_digest", _DIGEST, primary_key=True),
    Column("model_digest", _DIGEST, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("sentence", Text),
    Column("finished_at", UtcDateTime, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("content_digest", _DIGEST, nullable=False),
    Column("released_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("waived", Text, nullable=False),
    Column("released_at", UtcDateTime, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    # Of a study that was received, or of the one that a centre's report is.
    Column("study_key", _KEY, nullable=False),
    Column("content_digest", _DIGEST, nullable=False),
    Column("model_digest", _DIGEST, nullable=False),
    Column("center", _CENTER, nullable=False),
    # `ReturnedObject`; a report on a centre has digests of its own.
    Column("kind", String(8), nullable=False, server_default="sr"),
    Column("path", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    # None in what an earlier version queued.
    Column("queued_at", UtcDateTime),
    # None until the PACS has taken or refused it, for which those queued after it wait.
    Column("answered_at", UtcDateTime),
    Column("delivered_at", UtcDateTime, index=True),
    Column("sentence", Text),
    UniqueConstraint("study_key", "content_digest", "model_digest", "kind"),
)

delivery_commitments = Table(
    "delivery_commitments",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id"), primary_key=True),
    Column("transaction_uid", _UID, nullable=False, unique=True),
    Column("asked_at", UtcDateTime, nullable=False),
)

commitment_requests = Table(
    "commitment_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("center", _CENTER, nullable=False),
    Column("ae_title", Characters(16), nullable=False),
    Column("transaction_uid", _UID, nullable=False),
    Column("refs", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("reported_at", UtcDateTime, index=True),
    Column("sentence", Text),
    UniqueConstraint("center", "ae_title", "transaction_uid"),
)

# What a study lacks and its centre's PACS is asked for: one row a study, for its newest content.
retrievals = Table(
    "retrievals",
    metadata,
    Column("study_key", ForeignKey("studies.study_key"), primary_key=True),
    Column("center", _CENTER, nullable=False),
    # Of what was here then: it is asked for again when something else is.
    Column("content_digest", _DIGEST, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("sentence", Text),
    Index("due_retrievals", "state", "due_at"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("center", _CENTER, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("reported", Boolean, nullable=False),
    UniqueConstraint("kind", "center", "subject"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Characters(32), nullable=False),
    Column("center", _CENTER, nullable=False),
    Column("subject", Characters(200), nullable=False),
    # What tells it apart from others of its kind about the same.
    Column("cause", Characters(64), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("page", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
    # None as long as its cause holds.
    Column("ended_at", UtcDateTime),
    UniqueConstraint("kind", "center", "subject", "cause"),
)

# Who is to be told of a notice: one row a sink, several of which may be told in one message.
notice_sendings = Table(
    "notice_sendings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("notice_id", ForeignKey("notices.id"), nullable=False),
    Column("sink", Characters(320), nullable=False),
    Column("message", Characters(32), index=True),
    # Who has claimed it and not said yet what became of it.
    Column("owner", Text),
    Column("may_be_known", Boolean, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("sentence", Text),
    UniqueConstraint("notice_id", "sink"),
    Index("due_notice_sendings", "sent_at", "sink", "due_at"),
)
