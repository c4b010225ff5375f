"""What every object has that holds a page, as a document or as a picture: its name, when and by
what it was made, and for a patient's page whose it is.
"""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, ExplicitVRLittleEndian
from pydicom.valuerep import DA, DT, TM

from validation_reports.dicom import codes as concept
from validation_reports.dicom.identity import patient_and_study
from validation_reports.dicom.references import ModelReference


def of_patient(ct: Dataset, model: ModelReference) -> Dataset:
    """Return an object that has nothing yet but its patient, study and model.

    Parameters
    ----------
    ct : Dataset
        An instance of the CT, whose patient and study it is.
    model : ModelReference
        The frozen model, whose mark the description carries.
    """
    found = patient_and_study(ct)
    mark = " DEMONSTRATION" if model.demonstration else ""
    found.SeriesDescription = f"Annulus prognosis{mark} (page)"
    found.ManufacturerModelName = model.name[:64]
    found.DeviceSerialNumber = model.digest
    return found


def name(dataset: Dataset, sop_class: str, uid: str, series_uid: str) -> None:
    """Give an object its class and UIDs, also in its file meta information."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = uid, series_uid
    dataset.InstanceNumber = 1
    dataset.ConversionType = "SYN"


def stamp(dataset: Dataset, moment: datetime, software_version: str) -> None:
    """Say when and by what an object was made."""
    dataset.TimezoneOffsetFromUTC = f"{moment:%z}"
    dataset.Manufacturer = concept.MANUFACTURER
    dataset.SoftwareVersions = software_version
    dataset.InstanceCreationDate = dataset.SeriesDate = dataset.ContentDate = DA(moment.date())
    dataset.InstanceCreationTime = dataset.SeriesTime = dataset.ContentTime = TM(
        moment.time().replace(microsecond=0)
    )
    dataset.AcquisitionDateTime = DT(moment.replace(microsecond=0))
