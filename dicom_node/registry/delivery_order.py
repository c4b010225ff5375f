"""Which deliveries wait for which others, and which are not needed: conditions of queries."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select

from dicom_node.center import ReturnedObject
from dicom_node.registry.schema import deliveries as table
from dicom_node.registry.schema import delivery_commitments

OF_A_REPORT: Final = ("study_key", "content_digest", "model_digest")
"""What the objects of one report have in common."""


def waits_for_another() -> ColumnElement[bool]:
    """Return the condition that an object waits: for those of its report that go before it, until
    the AE has taken or refused them; a rejection note also for the study's earlier reports, and
    until its own report is delivered, so that nothing is retired before its place is taken.
    """
    before = table.alias()
    is_note = table.c.kind == ReturnedObject.NOTE
    same_report = and_(*(before.c[name] == table.c[name] for name in OF_A_REPORT))
    return (
        select(before.c.id)
        .where(
            before.c.study_key == table.c.study_key,
            before.c.id < table.c.id,
            before.c.delivered_at.is_(None),
            or_(
                and_(or_(same_report, is_note), before.c.answered_at.is_(None)),
                and_(same_report, is_note, before.c.kind == ReturnedObject.SR),
            ),
        )
        .exists()
    )


def is_spare() -> ColumnElement[bool]:
    """Return the condition that an object is the page as picture of a report whose page as PDF the
    AE has taken.
    """
    page, asked = table.alias(), delivery_commitments
    is_asked = select(asked.c.delivery_id).where(asked.c.delivery_id == page.c.id).exists()
    taken = (
        select(page.c.id)
        .where(
            *(page.c[name] == table.c[name] for name in OF_A_REPORT),
            page.c.kind == ReturnedObject.PDF,
            or_(page.c.delivered_at.is_not(None), is_asked),
        )
        .exists()
    )
    return and_(table.c.kind == ReturnedObject.SC, taken)
