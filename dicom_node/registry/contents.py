"""What the index holds of one study, read back as the types on which completeness is decided.

An RTSTRUCT may come in another study than the CT that it was drawn on. Where its own study has no
CT that it names, it belongs to the study of the same patient at the same centre that has.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select

from dicom_node.center import Center
from dicom_node.datasets.instance import Plane
from dicom_node.datasets.manifest import Manifest
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.registry.ct_choice import CtInstance
from dicom_node.registry.decisions import DamagedMention, RtstructInstance, StudyContents
from dicom_node.registry.manifest_record import manifest_of
from dicom_node.registry.schema import (
    centers,
    damaged,
    instances,
    manifests,
    references,
    studies,
)

_MOST_SERIES: Final = 1000
"""Series of one RTSTRUCT that are looked for in other studies; none lists so many in earnest."""

_THOSE = studies.alias()
_OF_THE_PATIENT: Final = (
    select(studies.c.study_key)
    .join(
        _THOSE,
        and_(studies.c.center == _THOSE.c.center, studies.c.patient_key == _THOSE.c.patient_key),
    )
    .where(_THOSE.c.study_key.in_(bindparam("study_keys", expanding=True)))
)

_CT = instances.alias()
_NAMES_OWN_CT: Final = (
    select(_CT.c.id)
    .join(references, references.c.sop_instance_uid == _CT.c.sop_instance_uid)
    .where(
        references.c.manifest_id == manifests.c.instance_id,
        _CT.c.study_key == manifests.c.study_key,
        _CT.c.patient_key == instances.c.patient_key,
        _CT.c.sop_class_uid == CT_IMAGE_STORAGE,
        _CT.c.is_localizer.is_not(True),
    )
    .correlate(manifests, instances)
    .exists()
)


def study_contents(connection: Connection, study_key: str) -> StudyContents:
    """Return everything of a study that is here, and the RTSTRUCTs on its CT from other studies.

    Parameters
    ----------
    connection : Connection
        An open transaction.
    study_key : str
        The study's pseudonym.
    """
    ct = tuple(_ct_instance(row) for row in connection.execute(_ct_of(study_key)))
    keys = {study_key, *studies_of_the_patient(connection, [study_key])}
    rows = _manifest_rows(connection, keys, of=study_key)
    homes = [_home(connection, row, keys) for row in rows]
    elsewhere = {
        home for row, home in zip(rows, homes, strict=True) if row.study_key == study_key != home
    }
    return StudyContents(
        ct=ct,
        rtstructs=tuple(
            _rtstruct(connection, row)
            for row, home in zip(rows, homes, strict=True)
            if home == study_key
        ),
        damaged=tuple(
            DamagedMention(row.sop_instance_uid, row.series_instance_uid)
            for row in connection.execute(select(damaged).where(damaged.c.study_key == study_key))
        ),
        joined_to=max(elsewhere, default=None),
        ct_of_another_patient=not ct
        and any(_is_of_another(connection, row) for row in rows if row.study_key == study_key),
    )


def has_rtstruct(connection: Connection, study_key: str) -> bool:
    """Say whether there is an RTSTRUCT of the study's patient; cheap enough for every instance."""
    keys = {study_key, *studies_of_the_patient(connection, [study_key])}
    query = select(manifests.c.instance_id).where(manifests.c.study_key.in_(keys)).limit(1)
    return connection.execute(query).first() is not None


def studies_of_the_patient(connection: Connection, study_keys: Collection[str]) -> set[str]:
    """Return the other studies of the patients of some studies, each at its own centre."""
    found = connection.scalars(_OF_THE_PATIENT, {"study_keys": list(study_keys)})
    return set(found).difference(study_keys)


def studies_joined_with(connection: Connection, study_key: str) -> tuple[set[str], set[str]]:
    """Return the studies whose decision depends on this one.

    Parameters
    ----------
    connection : Connection
        An open transaction.
    study_key : str
        The study's pseudonym.

    Returns
    -------
    set of str
        Those with the CT that its RTSTRUCTs were drawn on.
    set of str
        Those with RTSTRUCTs that were drawn on its CT.
    """
    others = studies_of_the_patient(connection, [study_key])
    with_ct: set[str] = set()
    with_rtstruct: set[str] = set()
    if not others:
        return with_ct, with_rtstruct
    keys = {study_key, *others}
    for row in _manifest_rows(connection, keys, of=study_key):
        home = _home(connection, row, keys)
        if row.study_key == study_key != home:
            with_ct.add(home)
        elif row.study_key != study_key == home:
            with_rtstruct.add(row.study_key)
    return with_ct, with_rtstruct


def instance_keys(connection: Connection, study_keys: Collection[str]) -> dict[str, str]:
    """Return the pseudonym of every instance of some studies, by SOP Instance UID."""
    query = select(instances.c.sop_instance_uid, instances.c.instance_key).where(
        instances.c.study_key.in_(study_keys)
    )
    return {row.sop_instance_uid: row.instance_key for row in connection.execute(query)}


def gtv_pattern_of(connection: Connection, study_key: str) -> str:
    """Return the rule for the name of the GTV at a study's centre, as the node last recorded it."""
    query = (
        select(centers.c.gtv_pattern)
        .join(studies, studies.c.center == centers.c.name)
        .where(studies.c.study_key == study_key)
    )
    return connection.scalar(query) or Center.gtv_pattern


def rtstruct_manifest(connection: Connection, center: str, instance_key: str) -> Manifest | None:
    """Return the manifest of an RTSTRUCT, or `None` if it has gone."""
    found = select(instances.c.study_key, instances.c.sop_instance_uid).where(
        instances.c.center == center, instances.c.instance_key == instance_key
    )
    at = connection.execute(found).first()
    rows = _manifest_rows(connection, [at.study_key]) if at else []
    return next(
        (
            _rtstruct(connection, row).manifest
            for row in rows
            if at is not None and row.sop_instance_uid == at.sop_instance_uid
        ),
        None,
    )


def _ct_of(study_key: str) -> Any:
    return select(instances).where(
        instances.c.study_key == study_key, instances.c.sop_class_uid == CT_IMAGE_STORAGE
    )


def _manifest_rows(
    connection: Connection, study_keys: Collection[str], of: str | None = None
) -> list[Row[Any]]:
    """Return the RTSTRUCTs of some studies; with `of`, those of this one, and of the others those
    that may be drawn on its CT, because their own study has none that they name.
    """
    query = (
        select(
            manifests,
            instances.c.sop_instance_uid,
            instances.c.patient_key,
            instances.c.content_sha256,
        )
        .join(instances, instances.c.id == manifests.c.instance_id)
        .where(manifests.c.study_key.in_(study_keys), manifests.c.drawn.is_not(None))
    )
    if of is not None and len(study_keys) > 1:
        query = query.where(or_(manifests.c.study_key == of, ~_NAMES_OWN_CT))
    return list(connection.execute(query))


def _home(connection: Connection, row: Row[Any], study_keys: Collection[str]) -> str:
    """Return the study, of some, with the CT that an RTSTRUCT names; its own if none has it."""
    if len(study_keys) == 1:
        return str(row.study_key)
    ct = instances.c
    series = {one["series_instance_uid"] for one in json.loads(row.drawn)["series"]} - {None}
    query = (
        select(ct.study_key, func.count())
        .where(
            ct.study_key.in_(study_keys),
            ct.patient_key == row.patient_key,
            ct.sop_class_uid == CT_IMAGE_STORAGE,
            ct.is_localizer.is_not(True),
            or_(
                ct.series_instance_uid.in_(sorted(series)[:_MOST_SERIES]),
                ct.sop_instance_uid.in_(_references_of(row)),
            ),
        )
        .group_by(ct.study_key)
    )
    named = {str(key): int(count) for key, count in connection.execute(query)}
    if row.study_key in named or not named:
        return str(row.study_key)
    return max(named, key=lambda key: (named[key], key))


def _is_of_another(connection: Connection, row: Row[Any]) -> bool:
    """Say whether a CT instance that an RTSTRUCT names came under another Patient ID."""
    center = select(studies.c.center).where(studies.c.study_key == row.study_key)
    query = (
        select(instances.c.id)
        .where(
            instances.c.sop_instance_uid.in_(_references_of(row)),
            instances.c.center == center.scalar_subquery(),
            instances.c.study_key != row.study_key,
            instances.c.patient_key != row.patient_key,
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None


def _references_of(row: Row[Any]) -> Any:
    return select(references.c.sop_instance_uid).where(references.c.manifest_id == row.instance_id)


def _rtstruct(connection: Connection, row: Row[Any]) -> RtstructInstance:
    made_at = json.loads(row.made_at)
    return RtstructInstance(
        sop_instance_uid=row.sop_instance_uid,
        patient_key=row.patient_key,
        content_sha256=row.content_sha256,
        manifest=manifest_of(
            row.drawn, sorted(connection.scalars(_references_of(row))), tuple(made_at)
        ),
        study_key=row.study_key,
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
        is_localizer=bool(row.is_localizer),
    )
