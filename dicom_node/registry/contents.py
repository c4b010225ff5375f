"""What the index holds of one study, read back as the types on which completeness is decided."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from dicom_node.datasets.instance import Plane
from dicom_node.datasets.manifest import Manifest
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.registry.completeness import (
    CtInstance,
    DamagedMention,
    RtstructInstance,
    StudyContents,
)
from dicom_node.registry.schema import damaged, instances, manifests, references


def study_contents(connection: Connection, study_key: str) -> StudyContents:
    """Return everything of a study that is here.

    Parameters
    ----------
    connection : Connection
        An open transaction.
    study_key : str
        The study's pseudonym.
    """
    return StudyContents(
        ct=tuple(
            _ct_instance(row) for row in connection.execute(_of_study(study_key, CT_IMAGE_STORAGE))
        ),
        rtstructs=tuple(
            _rtstruct(connection, row) for row in _manifest_rows(connection, study_key)
        ),
        damaged=tuple(
            DamagedMention(row.sop_instance_uid, row.series_instance_uid)
            for row in connection.execute(select(damaged).where(damaged.c.study_key == study_key))
        ),
    )


def is_manifest_met(connection: Connection, study_key: str) -> bool:
    """Say whether the newest RTSTRUCT lists instances and all of them are here; cheap enough for
    every instance.

    Parameters
    ----------
    connection : Connection
        An open transaction.
    study_key : str
        The study's pseudonym.
    """
    rows = _manifest_rows(connection, study_key)
    if not rows:
        return False
    newest = max(rows, key=lambda row: (*json.loads(row.made_at), row.sop_instance_uid))
    found = and_(
        instances.c.study_key == study_key,
        instances.c.sop_instance_uid == references.c.sop_instance_uid,
        instances.c.sop_class_uid == CT_IMAGE_STORAGE,
    )
    query = (
        select(func.count(), func.count(instances.c.id))
        .select_from(references.outerjoin(instances, found))
        .where(references.c.manifest_id == newest.instance_id)
    )
    listed, here = connection.execute(query).one()
    return bool(listed) and bool(listed == here)


def instance_keys(connection: Connection, study_key: str) -> dict[str, str]:
    """Return the pseudonym of every instance of a study, by SOP Instance UID."""
    query = select(instances.c.sop_instance_uid, instances.c.instance_key).where(
        instances.c.study_key == study_key
    )
    return {row.sop_instance_uid: row.instance_key for row in connection.execute(query)}


def _of_study(study_key: str, sop_class_uid: str) -> Any:
    return select(instances).where(
        instances.c.study_key == study_key, instances.c.sop_class_uid == sop_class_uid
    )


def _manifest_rows(connection: Connection, study_key: str) -> list[Row[Any]]:
    query = (
        select(
            manifests,
            instances.c.sop_instance_uid,
            instances.c.patient_key,
            instances.c.content_sha256,
        )
        .join(instances, instances.c.id == manifests.c.instance_id)
        .where(manifests.c.study_key == study_key)
    )
    return list(connection.execute(query))


def _rtstruct(connection: Connection, row: Row[Any]) -> RtstructInstance:
    listed = select(references.c.sop_instance_uid).where(
        references.c.manifest_id == row.instance_id
    )
    bounds = json.loads(row.contour_bounds_mm)
    return RtstructInstance(
        sop_instance_uid=row.sop_instance_uid,
        patient_key=row.patient_key,
        content_sha256=row.content_sha256,
        manifest=Manifest(
            referenced_sop_instance_uids=tuple(sorted(connection.scalars(listed))),
            frame_of_reference_uid=row.frame_of_reference_uid,
            contour_bounds_mm=tuple(bounds) if bounds else None,
            made_at=tuple(json.loads(row.made_at)),
        ),
    )


def _ct_instance(row: Row[Any]) -> CtInstance:
    plane = json.loads(row.plane) if row.plane else None
    return CtInstance(
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        frame_of_reference_uid=row.frame_of_reference_uid,
        patient_key=row.patient_key,
        content_sha256=row.content_sha256,
        plane=Plane(
            position=tuple(plane["position"]),
            orientation=tuple(plane["orientation"]),
            spacing=tuple(plane["spacing"]),
            rows=plane["rows"],
            columns=plane["columns"],
        )
        if plane
        else None,
    )
