"""Newer contents of instances take the place of the older, in the index: the files of both stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, and_, delete, func, select, update

from dicom_node.audit import AuditEvent, record
from dicom_node.datasets.instance_versions import version_of
from dicom_node.datasets.sop_classes import RT_STRUCTURE_SET_STORAGE
from dicom_node.registry.contents import studies_joined_with
from dicom_node.registry.schema import instances, outbox, replacements
from dicom_node.registry.states import OutboxState

if TYPE_CHECKING:
    from dicom_node.registry.instances import InstanceRecord


def replace_older(
    connection: Connection,
    records: Sequence[InstanceRecord],
    accepted: tuple[str, str],
    now: datetime,
) -> set[str]:
    """Forget the older contents of instances that have a newer one, remember what they were, and
    take what was complete with them out of the outbox.

    Parameters
    ----------
    connection : Connection
        The transaction that holds the studies' rows.
    records : sequence of InstanceRecord
        What has come, newer contents among it.
    accepted : tuple of str
        Who accepted the newer contents, and why.
    now : datetime
        The time, UTC.

    Returns
    -------
    set of str
        The studies that held either content, or were decided with the older.
    """
    row = instances.c
    newer = {
        (one.center, one.instance_key): one for one in records if version_of(one.relative_path)
    }
    touched: set[str] = set()
    if not newer:
        return touched
    replaced: Counter[tuple[str, str]] = Counter()
    keys = [key for _, key in newer]
    for old in connection.execute(select(instances).where(row.instance_key.in_(keys))).all():
        one = newer.get((old.center, old.instance_key))
        if one is None or version_of(one.relative_path) <= version_of(old.relative_path):
            continue
        held = {one.study_key, old.study_key}
        if old.sop_class_uid == RT_STRUCTURE_SET_STORAGE:
            held |= studies_joined_with(connection, old.study_key)[0]
        touched |= held
        connection.execute(delete(instances).where(row.id == old.id))
        replaced[one.center, one.study_key] += 1
        made = _replacement(connection, old, one.content_sha256, accepted, now)
        connection.execute(
            replacements.insert(), [made | {"study_key": key} for key in sorted(held)]
        )
        # What was complete with the older content is not worked on any more.
        left = and_(
            outbox.c.center == one.center,
            outbox.c.state.in_([OutboxState.WAITING, OutboxState.HELD]),
            outbox.c.instance_keys.contains(f'"{one.instance_key}"', autoescape=True),
        )
        connection.execute(update(outbox).where(left).values(state=OutboxState.DONE))
    for (center, study), count in replaced.items():
        record(AuditEvent.CONTENT_REPLACED, center=center, study=study, instances=count)
    return touched


def _replacement(
    connection: Connection, old: Row[Any], new_sha256: str, accepted: tuple[str, str], now: datetime
) -> dict[str, Any]:
    """Return what is remembered of a replacement, in each study that it concerns."""
    return {
        "last_content": connection.scalar(select(func.max(outbox.c.id))) or 0,
        "center": old.center,
        "instance_key": old.instance_key,
        "old_path": old.relative_path,
        "old_sha256": old.content_sha256,
        "new_sha256": new_sha256,
        "accepted_by": accepted[0],
        "reason": accepted[1],
        "replaced_at": now,
    }
