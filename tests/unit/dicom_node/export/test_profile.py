"""Every row of PS3.15 table E.1-1, put into a CT and an RTSTRUCT, is treated as the profile and its
options say.
"""

from __future__ import annotations

import re
from datetime import date as day

import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.export.defined_terms import DEFINED_TERMS
from dicom_node.export.deidentify import _IDENTIFIERS, deidentified
from dicom_node.export.profile import ACTIONS, OPTIONS
from dicom_node.export.replacements import Replacements
from tests.support.intake_bench import KEY, ct_slice, encode, whole_study

REPLACEMENTS = Replacements(KEY, "alpha", "patientpseudonym")

# What the options say other than the basic profile (PS3.15 table E.1-1), of the attributes that are
# not simply removed.
MODIFIED_DATES = """
    StudyDate SeriesDate AcquisitionDate ContentDate AcquisitionDateTime InstanceCreationDate
    StructureSetDate DateOfLastCalibration StudyTime SeriesTime AcquisitionTime ContentTime
    InstanceCreationTime StructureSetTime
    TimeOfLastCalibration""".split()  # noqa: SIM905
PATIENT_CHARACTERISTICS = [
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "EthnicGroup",
    "SmokingStatus",
    "PatientSexNeutered",
]
DEVICE_IDENTITY = [
    "StationName",
    "DeviceSerialNumber",
    "DeviceUID",
    "GantryID",
    "GeneratorID",
    "DetectorID",
]
CLEAN_DESCRIPTORS = ["ROIName", "ROIObservationLabel", "StructureSetLabel", "ContrastBolusAgent"]
# A value of each representation that betrays itself wherever it survives.
SECRETS = {
    "DA": "19610213",
    "TM": "034455.678901",
    "DT": "19610213034455.678901+0137",
    "UI": "1.2.752.99999.4711.815",
    "AS": "047Y",
    "DS": "4711.0815",
    "IS": "47110815",
    "PN": "Secretname^Secretly",
    "CS": "SECRETNAME",
    "SH": "Secretname",
    "AE": "SECRETNAME",
}
NUMBERS = ("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "AT")
RANGES = [
    row for row in table.ALL_TAGS if len(row) != 2
]  # curves and overlays: a test of their own
ROWS = sorted(
    {(group << 16) | element for group, element in (row for row in table.ALL_TAGS if len(row) == 2)}
)


def _element(tag: int) -> DataElement | None:
    """Return the attribute with a value that must not survive; `None` where no value could tell."""
    vr = dictionary_VR(tag).split(" or ", maxsplit=1)[0] if dictionary_has_tag(tag) else "LO"
    if vr in NUMBERS:
        return None
    if vr == "SQ":
        item = Dataset()
        item.PatientName, item.StudyInstanceUID = SECRETS["PN"], SECRETS["UI"]
        return DataElement(tag, vr, [item])
    value = SECRETS.get(vr, "Secretname")
    if tag in DEFINED_TERMS:
        value = min(DEFINED_TERMS[tag])
    return DataElement(
        tag,
        vr,
        value.encode() + b" " if vr in {"OB", "UN", "OW", "OD", "OF", "OL", "OV"} else value,
    )


def _treated(elements: list[DataElement]) -> list[tuple[Dataset, bytes]]:
    """Return a CT that had the attributes, and an item of an RTSTRUCT that had them, with the bytes
    of the whole.
    """
    _, drawn = whole_study()
    image = ct_slice(0)
    for element in elements:
        image[element.tag] = element
        drawn.StructureSetROISequence[0][element.tag] = element
    results = [deidentified(one, REPLACEMENTS) for one in (image, drawn)]
    carriers = (results[0], results[1].StructureSetROISequence[0])
    return [(carrier, encode(result)) for carrier, result in zip(carriers, results, strict=True)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_row_of_the_table_is_treated_as_profile_and_options_say() -> None:
    elements = [element for element in map(_element, ROWS) if element is not None]
    assert len(elements) > 600
    # Apart, because a text that repeats what the patient is called by would be emptied for that
    # reason.
    naming = [one for one in elements if one.VR in {"PN", "SQ"} or one.keyword in _IDENTIFIERS]
    others = [one for one in elements if one not in naming]
    survived = set()
    for group in (naming, others):
        for carrier, content in _treated(group):
            kept = content
            for element in group:
                if element.tag in carrier and carrier[element.tag].value == element.value:
                    survived.add(element.keyword)
                    kept = kept.replace(str(element.value).encode(), b"")
                elif (
                    element.tag in carrier
                    and (element.tag.group, element.tag.element) in table.U_TAGS
                ):
                    assert carrier[element.tag].value == REPLACEMENTS.uid(SECRETS["UI"])
            for secret in (
                b"ecret",
                b"ECRET",
                *(SECRETS[vr].encode() for vr in ("DA", "UI", "DS", "IS")),
            ):
                assert secret not in kept
    times = {keyword for keyword in MODIFIED_DATES if "Time" in keyword and "Date" not in keyword}
    assert survived == times | {*PATIENT_CHARACTERISTICS, *DEVICE_IDENTITY}


def test_what_the_options_retain_is_retained_and_nothing_of_the_table_else_has_an_exception() -> (
    None
):
    optional = {*MODIFIED_DATES, *PATIENT_CHARACTERISTICS, *DEVICE_IDENTITY, *CLEAN_DESCRIPTORS}
    replaced = {
        keyword_for_tag(tag)
        for tag in ROWS
        if tag in ACTIONS and ACTIONS[tag].name in {"EMPTY", "UID"}
    }
    in_both = {keyword_for_tag(tag) for tag in ROWS if tag in ACTIONS}
    assert in_both == optional | replaced | {"PatientName", "PatientID"}


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_dates_keep_their_distances_and_times_of_day() -> None:
    image = ct_slice(0)
    image.StudyDate, image.AcquisitionDate, image.StudyTime = "20240229", "20240301", "083000"
    image.AcquisitionDateTime, image.SeriesDate = "20240301101112.5+0100", "2024"
    result = deidentified(image, REPLACEMENTS)
    assert 1 <= REPLACEMENTS.days_earlier <= 3650
    assert result.StudyDate != image.StudyDate
    assert _days(result.AcquisitionDate) - _days(result.StudyDate) == 1
    assert result.StudyTime == "083000"
    assert result.AcquisitionDateTime == f"{result.AcquisitionDate}101112.5"
    assert result.SeriesDate == ""
    other = Replacements(KEY, "alpha", "anotherpseudonym")
    assert other.days_earlier != REPLACEMENTS.days_earlier


def _days(date: str) -> int:
    return day(int(date[:4]), int(date[4:6]), int(date[6:])).toordinal()


def test_curves_overlays_and_private_attributes_go() -> None:
    image = ct_slice(0)
    assert RANGES
    image.add_new(0x50000005, "US", 1)
    image.add_new(0x60003000, "OW", b"Secretname")
    image.add_new(0x60004000, "LT", "Secretname")
    image.private_block(0x0009, "SECRET MAKER", create=True).add_new(1, "LO", "Secretname")
    image.private_block(0x0009, "SECRET MAKER").add_new(2, "UN", b"Secretname")
    assert not re.search(rb"(?i)secret", encode(deidentified(image, REPLACEMENTS)))


def test_an_old_age_is_ninety_and_the_method_is_told() -> None:
    image = ct_slice(0)
    image.PatientAge, image.ContrastBolusAgent = "093Y", "Secretol 300 for Ms Secretname"
    result = deidentified(image, REPLACEMENTS)
    assert (result.PatientAge, result.ContrastBolusAgent) == ("090Y", "CONTRAST")
    assert (result.PatientIdentityRemoved, result.LongitudinalTemporalInformationModified) == (
        "YES",
        "MODIFIED",
    )
    codes = [code.CodeValue for code in result.DeidentificationMethodCodeSequence]
    assert codes == [value for value, _ in OPTIONS]
    assert (result.PatientID, result.PatientName) == ("patientpseudonym", "patientpseudonym")


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("ExposureTimeInuS", "FD", b"5 ms"),
        ("AcquisitionNumber", "IS", b"1e400 "),
    ],
)
def test_bytes_that_are_no_number_stay_here_and_do_not_keep_the_others(
    keyword: str, vr: str, value: bytes
) -> None:
    one, tag = ct_slice(0), Tag(keyword)
    one[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    left = deidentified(one, REPLACEMENTS)
    assert keyword not in left
    assert left.PatientID == REPLACEMENTS.patient
    assert left.ImagePositionPatient == one.ImagePositionPatient


def test_a_sequence_that_cannot_be_read_may_name_somebody_and_nothing_leaves() -> None:
    one, tag = ct_slice(0), Tag("OtherPatientIDsSequence")
    one[tag] = RawDataElement(tag, "SQ", 6, b"\xfe\xff\x00\xe0\x09\x00", 0, False, True)
    with pytest.raises(OSError, match="No tag to read"):
        deidentified(one, REPLACEMENTS)
