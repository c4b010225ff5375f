"""Patients who may be counted twice: whose CT came from two centres, or whose Patient ID differs
from another in upper and lower case only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.errors import IncidentKind
from dicom_node.registry.database import Database
from dicom_node.registry.incidents import record_incident
from dicom_node.registry.schema import instances, studies

if TYPE_CHECKING:
    from dicom_node.registry.instances import InstanceRecord


def tell_of_duplicate_patients(
    database: Database, connection: Connection, new: Sequence[InstanceRecord]
) -> None:
    """Record an incident for each study whose patient may be counted twice.

    Parameters
    ----------
    database : Database
        The registry's.
    connection : Connection
        The transaction that indexes the instances.
    new : sequence of InstanceRecord
        Instances that are not indexed yet, whose studies have their rows.
    """
    _tell_of_shared_ct(database, connection, new)
    _tell_of_patients_alike(database, connection, new)


def _tell_of_shared_ct(
    database: Database, connection: Connection, new: Sequence[InstanceRecord]
) -> None:
    """Record an incident for each study that brings CT instances which another centre sent."""
    by_uid = {
        one.header.identity.sop_instance_uid: one
        for one in new
        if one.header.identity.sop_class_uid == CT_IMAGE_STORAGE
    }
    row = instances.c
    is_one, among = database.among("sop_instance_uid", by_uid)
    here = select(row.sop_instance_uid, row.center).where(is_one)
    shared = {
        (by_uid[uid].center, by_uid[uid].study_key, other)
        for uid, other in connection.execute(here, among)
        if other != by_uid[uid].center
    }
    for center, study_key, other in sorted(shared):
        record_incident(
            database,
            connection,
            IncidentKind.SHARED_CT,
            f"CT instances of this study came from centre {other} too, under the same SOP "
            "Instance UIDs: one patient must not count at two centres, nor train and validate; "
            "ask both whose patient it is, and exclude the other's study",
            center,
            study_key,
        )


def _tell_of_patients_alike(
    database: Database, connection: Connection, new: Sequence[InstanceRecord]
) -> None:
    """Record an incident for each study whose patient may be another one of its centre, with the
    Patient ID written otherwise.
    """
    by_patient = {(one.center, one.study_key, one.patient_key): one for one in new}
    for (center, study_key, _), one in sorted(by_patient.items(), key=lambda item: item[0]):
        if not one.patients_alike:
            continue
        alike = select(func.min(studies.c.study_key)).where(
            studies.c.center == center, studies.c.patient_key.in_(sorted(one.patients_alike))
        )
        other = connection.scalar(alike)
        if other is None:
            continue
        which = f"from that of study {other}" if other != study_key else "among its objects"
        record_incident(
            database,
            connection,
            IncidentKind.SIMILAR_PATIENT_ID,
            f"The Patient ID of this study differs {which} in upper and lower case only: what "
            "differs so counts as two patients. If it is one, correct the Patient ID at the "
            "source and send the study again.",
            center,
            study_key,
        )
