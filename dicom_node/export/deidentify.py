"""One dataset without identity: every attribute by its action, what has none removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue

from dicom_node.export.defined_terms import CHECKED, DEFINED_TERMS, is_plain
from dicom_node.export.profile import ACTIONS, OPTIONS, Action
from dicom_node.export.replacements import Replacements, plain_age
from dicom_node.export.structure_names import plain_structure_name

_METHOD: Final = "Annulus: PS3.15 annex E, attributes by allow-list"
_FREE_TEXT: Final = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "PN", "AE"))
_NUMBERS: Final = frozenset(
    ("AT", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV", "US or SS")
)
_IDENTIFIERS: Final = (
    "PatientID",
    "AccessionNumber",
    "StudyID",
    "OtherPatientIDs",
    "IssuerOfPatientID",
)
_WORD: Final = re.compile(r"[^\W_]{2,}")
_SHORTEST_REPEATED: Final = 3  # a shorter word is somebody's name and half of the manufacturers'
_LABEL: Final = "RTSTRUCT"
_CONTRAST: Final = "CONTRAST"


def deidentified(
    dataset: Dataset, replacements: Replacements, keep_structures: Collection[str] = ()
) -> Dataset:
    """Return a dataset without identity; the given one is not changed.

    Parameters
    ----------
    dataset : Dataset
        A CT slice or an RTSTRUCT as received; its pixels have been checked by `check_pixels`.
    replacements : Replacements
        What stands for UIDs, dates and the patient.
    keep_structures : collection of str
        Names of structures that stay although they are no plain ones.

    Returns
    -------
    Dataset
        With Patient Identity Removed (0012,0062) and the method (PS3.15 section E.1.1).
    """
    result = _Deidentifier(
        replacements, keep_structures, frozenset(_identifying_words(dataset))
    ).treated(dataset)
    result.PatientIdentityRemoved = "YES"
    result.DeidentificationMethod = _METHOD
    result.DeidentificationMethodCodeSequence = [_code(*option) for option in OPTIONS]
    result.LongitudinalTemporalInformationModified = "MODIFIED"
    return result


class _Deidentifier:
    def __init__(
        self, replacements: Replacements, keep_structures: Collection[str], words: frozenset[str]
    ) -> None:
        self._keep_structures = keep_structures
        self._words = words
        self._texts: dict[Action, Callable[[str], str]] = {
            Action.EMPTY: lambda _: "",
            Action.PSEUDONYM: lambda _: replacements.patient,
            Action.UID: replacements.uid,
            Action.DATE: replacements.date,
            Action.AGE: plain_age,
            Action.LABEL: lambda _: _LABEL,
            Action.CONTRAST: lambda original: _CONTRAST if original else "",
        }

    def treated(self, dataset: Dataset) -> Dataset:
        """Return the dataset or item with every attribute treated."""
        result = Dataset()
        number = _number(dataset)
        for element in _readable(dataset):
            action = ACTIONS.get(int(element.tag))
            if action is None or element.VR not in dictionary_VR(element.tag).split(" or "):
                # An allowed tag that holds something else (a sequence, a text instead of a number)
                # is not what it is allowed for.
                continue
            if action is Action.DESCEND:
                value: object = [self.treated(item) for item in element.value or ()]
            elif action is Action.KEEP:
                value = self._kept(element)
            elif action is Action.STRUCTURE_NAME:
                value = plain_structure_name(
                    str(element.value or ""), number, self._keep_structures, self._words
                )
            else:
                change = self._texts[action]
                value = (
                    [change(one) for one in _values(element)]
                    if element.VM > 1
                    else change(_first(element))
                )
            result[element.tag] = DataElement(element.tag, element.VR, value)
        return result

    def _kept(self, element: DataElement) -> object:
        """Return the value, unless it is a text that repeats a name or a number of the patient, or
        is no term, number or time of those that its attribute defines; of several, those stay that
        are.
        """
        if element.VR in CHECKED or element.tag in DEFINED_TERMS:
            given = _values(element)
            plain = [one if is_plain(int(element.tag), element.VR, one) else "" for one in given]
            return element.value if plain == given else plain if len(plain) > 1 else plain[0]
        if element.VR in _FREE_TEXT and not self._words.isdisjoint(
            word
            for value in _values(element)
            for word in _words_of(value)
            if len(word) >= _SHORTEST_REPEATED
        ):
            return ""
        return element.value


def _identifying_words(dataset: Dataset) -> Iterator[str]:
    """Yield the words that persons and numbers are named by, anywhere in a dataset."""
    for element in _readable(dataset):
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _identifying_words(item)
        elif element.VR == "PN" or element.keyword in _IDENTIFIERS:
            for value in _values(element):
                yield from _words_of(value)


def _readable(dataset: Dataset) -> Iterator[DataElement]:
    """Yield the elements of a dataset; numbers whose bytes are none name nobody, and stay here."""
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except (BytesLengthException, ValueError, TypeError, OverflowError):
            if (dataset.get_item(tag).VR or dictionary_VR(tag)) not in _NUMBERS:
                raise
            continue
        yield element


def _words_of(text: str) -> Iterator[str]:
    return (word.lower() for word in _WORD.findall(text))


def _values(element: DataElement) -> list[str]:
    value = element.value
    several = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    return ["" if one is None else str(one) for one in several]


def _first(element: DataElement) -> str:
    return next(iter(_values(element)), "")


def _number(item: Dataset) -> int | None:
    for keyword in ("ROINumber", "ReferencedROINumber"):
        value = item.get(keyword)
        if value is not None:
            return int(value)
    return None


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
