"""A coded string, a number or a time that holds a name does not leave with the export."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement

from dicom_node.export.defined_terms import DEFINED_TERMS, is_plain
from dicom_node.export.deidentify import deidentified
from dicom_node.export.profile import ACTIONS, Action
from dicom_node.export.replacements import Replacements
from tests.support.intake_bench import KEY, ct_slice, encode

REPLACEMENTS = Replacements(KEY, "alpha", "patientpseudonym")
KEPT = [tag for tag, action in ACTIONS.items() if action is Action.KEEP]
CODED = [tag for tag in KEPT if dictionary_VR(tag) == "CS"]
WRITTEN = [tag for tag in KEPT if dictionary_VR(tag) in {"CS", "TM", "UI"}]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("tag", WRITTEN, ids=keyword_for_tag)
@pytest.mark.parametrize("value", ["NAME LUNG", "DOE", "P1", "DOE^JANE", "19610213DOE"])
def test_no_kept_attribute_carries_a_name(tag: int, value: str) -> None:
    image = ct_slice(0)
    image[tag] = DataElement(tag, dictionary_VR(tag), value, already_converted=True)
    result = deidentified(image, REPLACEMENTS)
    assert result[tag].value == ""
    for word in (b"DOE", b"NAME", b"JANE"):
        assert word not in encode(result)


def test_every_coded_string_that_stays_has_its_terms() -> None:
    without = {keyword_for_tag(tag) for tag in CODED if tag not in DEFINED_TERMS}
    assert without == {"SpecificCharacterSet"}


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BodyPartExamined", "LUNG"),
        ("BodyPartExamined", "CHEST"),
        ("ScanOptions", "HELICAL MODE"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]),
        ("PatientSex", "F"),
        ("PatientPosition", "HFS"),
        ("RescaleType", "HU"),
        ("KVP", "120"),
        ("StudyTime", "083000.5"),
    ],
)
def test_terms_numbers_and_times_stay(keyword: str, value: object) -> None:
    image = ct_slice(0)
    setattr(image, keyword, value)
    result = deidentified(image, REPLACEMENTS)
    assert str(result[keyword].value) == str(image[keyword].value)


def test_of_several_values_those_that_are_terms_stay() -> None:
    image = ct_slice(0)
    image.ImageType = ["ORIGINAL", "PRIMARY", "DOE", "AXIAL"]
    assert list(deidentified(image, REPLACEMENTS).ImageType) == ["ORIGINAL", "PRIMARY", "", "AXIAL"]


def test_an_attribute_of_another_representation_is_not_what_is_allowed() -> None:
    image = ct_slice(0)
    image[0x00280010] = DataElement(0x00280010, "LO", "DOE", already_converted=True)
    image[0x00180060] = DataElement(0x00180060, "PN", "DOE", already_converted=True)
    result = deidentified(image, REPLACEMENTS)
    assert "Rows" not in result
    assert "KVP" not in result


@pytest.mark.parametrize(
    ("given", "is_moved"),
    [("20240229", True), ("20240229DOE", False), ("20240229991212", False), ("DOE", False)],
)
def test_a_date_with_more_than_a_time_behind_it_is_emptied(given: str, *, is_moved: bool) -> None:
    assert bool(REPLACEMENTS.date(given)) is is_moved


def test_a_uid_that_only_begins_like_one_of_the_standard_is_replaced() -> None:
    assert REPLACEMENTS.uid("1.2.840.10008.1.2") == "1.2.840.10008.1.2"
    for given in ("1.2.840.10008.4711", "1.2.840.10008.DOE"):
        assert REPLACEMENTS.uid(given).startswith("2.25.")


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [(0x00180060, "DS", "120kV"), (0x00200013, "IS", "1.5"), (0x00080030, "TM", "2500")],
)
def test_what_is_no_number_or_time_is_none(tag: int, vr: str, value: str) -> None:
    assert not is_plain(tag, vr, value)
