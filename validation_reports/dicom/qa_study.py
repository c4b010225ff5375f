"""The DICOM study in which a centre's PACS keeps a validation report: of no patient, under an ID
set aside for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from feature_store.wording import counted
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import CohortError
from validation_reports.report.validation_report import ValidationReport, to_json


@dataclass(frozen=True)
class QaStudy:
    """Under which identity one report on one centre is kept; the same report always has the same.

    Parameters
    ----------
    center : str
        The centre.
    patient_id : str
        Patient ID (0010,0020) that the centre has set aside for this.
    report_id : str
        Name of the report's folder.
    digest : str
        SHA-256 over what the report found, whenever it was made.
    created_at : datetime
        Time-zone-aware moment of the report.
    """

    center: str
    patient_id: str
    report_id: str
    digest: str
    created_at: datetime

    def uid(self, part: str) -> str:
        """Return the UID of a part of the study; ``"study"`` is the study's own."""
        return derived_uid("validation", self.center, self.patient_id, self.digest, part)

    def identity(self) -> Dataset:
        """Return the attributes of the Patient and General Study modules (PS3.3 sections C.7.1.1,
        C.7.2.1).
        """
        moment = self.created_at.astimezone(UTC)
        identity = Dataset()
        identity.PatientName = f"Annulus QA^{self.center}"
        identity.PatientID = self.patient_id
        identity.PatientBirthDate = ""
        identity.PatientSex = "O"
        identity.StudyInstanceUID = self.uid("study")
        identity.StudyDate = DA(moment.date())
        identity.StudyTime = TM(moment.time().replace(microsecond=0))
        identity.TimezoneOffsetFromUTC = "+0000"
        identity.AccessionNumber = ""
        identity.StudyID = "VALIDATION"
        identity.ReferringPhysicianName = ""
        identity.StudyDescription = f"Annulus external validation, centre {self.center}"[:64]
        return identity


def qa_study(report: ValidationReport, patient_id: str, report_id: str) -> QaStudy:
    """Return the study of a report on one centre.

    Parameters
    ----------
    report : ValidationReport
        On one centre alone.
    patient_id : str
        The centre's QA patient ID.
    report_id : str
        Name of the report's folder.

    Raises
    ------
    CohortError
        If the report is on several centres: none of them may be sent what was found at another.
    """
    if len(report.centers) != 1:
        raise CohortError(
            f"The report is on {counted(len(report.centers), 'centre')}: only one on a single "
            "centre goes to its PACS."
        )
    return QaStudy(
        report.centers[0].center,
        patient_id,
        report_id,
        findings_digest(report),
        report.provenance.created_at,
    )


def findings_digest(report: ValidationReport) -> str:
    """Return the SHA-256 over all that a report found and how, but not when, nor in which version
    of the store.

    A nightly validation that finds the same in the same patients is the same report.
    """
    timeless = replace(
        report.provenance, created_at=datetime(1, 1, 1, tzinfo=UTC), store_versions={}
    )
    return hashlib.sha256(to_json(replace(report, provenance=timeless)).encode()).hexdigest()
