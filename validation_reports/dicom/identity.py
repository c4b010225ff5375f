"""Whose object it is: patient and study attributes that every object carries, as they were sent.

Names and numbers of the patient are withheld from the library that builds the objects, since its
warnings quote values, and put in afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

from pydicom.charset import convert_encodings, python_encoding
from pydicom.config import RAISE, disable_value_validation
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import DA, DT, TM, validate_value

from dicom_node.datasets.identity import is_uid
from dicom_node.datasets.text_as_sent import text_as_sent
from feature_store.imaging.ct_headers import UNREADABLE

AS_SENT = ("PatientName", "PatientID", "AccessionNumber")
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)
"""Attributes that must be there, if only empty (PS3.3 sections C.7.1.1 and C.7.2.1)."""
_IDENTITY_GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040)
_SEXES = ("M", "F", "O")
_MOMENTS = {"DA": DA, "TM": TM, "DT": DT}


def complete(dataset: Dataset) -> None:
    """Give a dataset every attribute of `TYPE_2` that it lacks, empty."""
    for keyword in TYPE_2:
        if dataset.get(keyword) is None:
            setattr(dataset, keyword, "")


def withhold(dataset: Dataset) -> dict[str, str]:
    """Empty what names the patient in a complete dataset, and return it for `restore`."""
    as_sent = {keyword: text_as_sent(dataset, keyword) for keyword in AS_SENT}
    for keyword in AS_SENT:
        setattr(dataset, keyword, "")
    return as_sent


def restore(dataset: Dataset, as_sent: Mapping[str, str]) -> None:
    """Name the patient as the source did, whatever its VR allows."""
    with disable_value_validation():
        for keyword, value in as_sent.items():
            setattr(dataset, keyword, value)


def identity_of(ct: Dataset) -> Dataset:
    """Return the CT's patient and study attributes with every text decoded.

    Attributes that an object must carry are present, if only empty; a value that its VR does not
    allow, or that cannot be read, is left out, since a receiver may refuse the whole object for it.
    What names the patient stays as it was sent, and so does a UID with leading zeros, which the
    standard does not allow (PS3.5 section 9.1): it is what its PACS knows the study by.
    """
    with disable_value_validation():  # its warnings would quote values
        identity = Dataset()
        # Iterating a Dataset gives elements, of pixel data too
        for tag in ct.keys():  # noqa: SIM118
            if tag.group in _IDENTITY_GROUPS and (element := _readable(ct, tag)) is not None:
                identity.add(element)
        complete(identity)
        if identity.PatientSex not in _SEXES:  # PS3.3 section C.7.1.1
            identity.PatientSex = ""
        for element in list(identity):
            if element.keyword not in AS_SENT and not _is_valid(element):
                if element.keyword in TYPE_2:
                    element.value = ""
                else:
                    del identity[element.tag]
    return identity


def patient_and_study(ct: Dataset) -> Dataset:
    """Return an object that has nothing yet but the patient and the study of a CT (PS3.3 sections
    C.7.1.1 and C.7.2.1), written in UTF-8 where a text is not ASCII.
    """
    identity = identity_of(ct)
    found = Dataset()
    with disable_value_validation():
        for keyword in (*TYPE_2, "StudyInstanceUID", "StudyDescription"):
            if keyword in identity:
                value = identity[keyword].value
                setattr(
                    found,
                    keyword,
                    text_as_sent(identity, keyword) if keyword in AS_SENT else value,
                )
        if not all(str(element.value).isascii() for element in found):
            found.SpecificCharacterSet = "ISO_IR 192"
    return found


def character_set(identity: Dataset, texts: Sequence[str]) -> str | None:
    """Return the character set of an object that says more than its identity does.

    Parameters
    ----------
    identity : Dataset
        From `identity_of`.
    texts : sequence of str
        What the object says beside.

    Returns
    -------
    str or None
        That of the source where it can write all text; else none for ASCII, else UTF-8 (PS3.3
        section C.12.1.1.2).
    """
    text = "".join(texts) + "".join(
        str(element.value)
        for element in identity
        if element.VR in ("PN", "LO", "SH", "ST", "LT", "UT", "UC")
    )
    if text.isascii():
        return None
    charset = identity.get("SpecificCharacterSet")
    if isinstance(charset, str) and charset in python_encoding:
        try:
            text.encode(convert_encodings(charset)[0])
        except (UnicodeEncodeError, LookupError):
            return "ISO_IR 192"
        return charset
    return "ISO_IR 192"


def _readable(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """Return a copy of an element with every text decoded; `None` where its bytes are none of its
    VR, which is of no concern to who reads others.
    """
    try:
        element = deepcopy(dataset[tag])
        # Else the bytes of an item would be written unchanged under another character set.
        for item in element.value if element.VR == "SQ" else ():
            item.decode()
    except UNREADABLE:
        return None
    return element


def _is_valid(element: DataElement) -> bool:
    if element.VR == "SQ" or element.is_empty:
        return True
    if element.VR == "UI" and element.VM == 1:
        return is_uid(str(element.value))
    values = element.value if element.VM > 1 else (element.value,)
    moment = _MOMENTS.get(element.VR)
    if moment is not None and element.VM > 1:
        return False
    try:
        if moment is not None:
            moment(str(element.value))
        for value in values:
            validate_value(
                element.VR, value if isinstance(value, bytes | float | int) else str(value), RAISE
            )
    except (ValueError, TypeError):
        return False
    return True
