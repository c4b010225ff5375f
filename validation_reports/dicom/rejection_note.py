"""The note by which a PACS retires what a newer result has replaced (IHE Radiology Technical
Framework, Imaging Object Change Management, transaction RAD-66): a Key Object Selection Document
(PS3.3 section A.35.4, template TID 2010) that names each retired object.

Its title is (113037, DCM, "Rejected for Patient Safety Reasons"). The profile has four: 113039 is
for what is old enough to be deleted and 113038 for a wrong worklist entry, neither of which a
replaced result is; after 113001, "Rejected for Quality Reasons", an archive may go on showing what
was rejected, and an outdated prognosis beside the current one can mislead whoever decides on the
treatment. After 113037 it must show it no more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime

from highdicom import sr
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from validation_reports.dicom import codes as concept
from validation_reports.dicom.identity import patient_and_study, restore, withhold
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.stamps import set_clock, source_time
from validation_reports.errors import StructuredReportError

_SERIES_NUMBER = 907
_NAMED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def build_rejection_note(
    ct: Dataset,
    retired: Sequence[Dataset],
    model: ModelReference,
    *,
    software_version: str,
    created_at: datetime,
    sop_instance_uid: str,
    series_instance_uid: str,
) -> Dataset:
    """Build the note that retires the objects of an earlier result.

    Parameters
    ----------
    ct : Dataset
        An instance of the CT, whose patient and study it is.
    retired : sequence of Dataset
        The objects of the same study that the PACS shall show no more; their headers are enough.
    model : ModelReference
        The frozen model that made the newer result.
    software_version : str
        Version of this software.
    created_at : datetime
        Time-zone-aware moment of the newer score.
    sop_instance_uid, series_instance_uid : str
        UIDs of the note (see `uids.derived_uid`).

    Returns
    -------
    Dataset
        A Key Object Selection Document with file meta information, ready for `write_dicom`.

    Raises
    ------
    StructuredReportError
        If there is nothing to retire, or an object lies in another study.
    """
    if not retired:
        raise StructuredReportError("A rejection note names nothing: expected an earlier object.")
    identity = patient_and_study(ct)
    if any(one.StudyInstanceUID != identity.StudyInstanceUID for one in retired):
        raise StructuredReportError(
            "An object to be retired lies in another study than the new result: expected objects "
            "of one study."
        )
    as_sent = withhold(identity)
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # its lower levels log UIDs
    named = [_named(identity, one) for one in retired]
    moment = source_time(created_at, ct)
    note = KeyObjectSelectionDocument(
        evidence=named,
        content=KeyObjectSelection(
            document_title=concept.REJECTED_FOR_PATIENT_SAFETY,
            referenced_objects=named,
            observer_device_context=sr.ObserverContext(
                observer_type=sr.CodedConcept("121007", "DCM", "Device"),
                observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                    uid=sop_instance_uid,
                    manufacturer_name=concept.MANUFACTURER,
                    model_name=model.name[:64],
                    serial_number=model.digest,
                ),
            ),
            description=(
                "Replaced by a newer result of the same study, which is in the PACS: the contour, "
                "the CT or the model has changed."
            ),
        ),
        series_instance_uid=series_instance_uid,
        series_number=_SERIES_NUMBER,
        sop_instance_uid=sop_instance_uid,
        instance_number=1,
        manufacturer=concept.MANUFACTURER,
    )
    note.ContentDate, note.ContentTime = DA(moment.date()), TM(moment.time().replace(microsecond=0))
    note.SeriesDescription = f"Annulus rejection note{' DEMONSTRATION' * model.demonstration}"
    note.SoftwareVersions = software_version
    note.TimezoneOffsetFromUTC = f"{moment:%z}"
    set_clock(note, moment)
    restore(note, as_sent)
    return note


def _named(identity: Dataset, retired: Dataset) -> Dataset:
    """Return an object to be retired as the library takes it: whose it is, and its UIDs."""
    found = deepcopy(identity)
    for keyword in _NAMED:
        setattr(found, keyword, retired[keyword].value)
    return found
