"""What every made object carries: our coding scheme, date and time with their zone."""

from __future__ import annotations

import re
from datetime import datetime

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM

from validation_reports.dicom import codes as concept


def coding_schemes() -> list[CodingSchemeIdentificationItem]:
    """Return what names the private coding scheme of the reports (PS3.3 section C.12.1)."""
    return [
        CodingSchemeIdentificationItem(
            designator=concept.SCHEME,
            name=concept.SCHEME_NAME,
            responsible_organization=concept.MANUFACTURER,
        )
    ]


def set_clock(report: Dataset, local: datetime) -> None:
    """Replace what the SR library takes from the clock, so that the same score is the same file."""
    report.InstanceCreationDate = DA(local.date())
    report.InstanceCreationTime = TM(local.time().replace(microsecond=0))
    for item in report.ContributingEquipmentSequence:
        if item.get("ManufacturerModelName") == "highdicom":
            item.ContributionDateTime = DT(local.replace(microsecond=0))


def source_time(created_at: datetime, ct: Dataset) -> datetime:
    """Return a moment in the time zone that a CT names (0008,0201), if it names one that there is:
    -1200 to +1400 (PS3.3 section C.12.1.1.8).
    """
    offset = str(ct.get("TimezoneOffsetFromUTC") or "").strip()
    if re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", offset):
        return created_at.astimezone(datetime.strptime(offset, "%z").tzinfo)
    return created_at
