"""What stands for UIDs, dates and identities: keyed, the same for the same original, and not to be
turned back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from pydicom._uid_dict import UID_dictionary

from dicom_node.pseudonym import keyed_digest

_DATE: Final = re.compile(
    r"(\d{8})((?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?)(?:[-+]\d{4})?",
    re.ASCII,
)
_LONGEST_SHIFT_DAYS: Final = 3650
_OLDEST_YEARS: Final = 90
_AGE: Final = re.compile(r"(\d{3})([DWMY])")


@dataclass(frozen=True)
class Replacements:
    """The replacements of one patient of one centre.

    Parameters
    ----------
    key : bytes
        The pseudonym key.
    center, patient : str
        The centre's name, and the patient's pseudonym.
    """

    key: bytes
    center: str
    patient: str

    def uid(self, original: str) -> str:
        """Return the UID that stands for another in all exports of the centre (PS3.5 section B.2, a
        keyed UUID).

        UIDs of the standard itself, which name classes and syntaxes, stay; an empty value stays
        empty.
        """
        if not original or original in UID_dictionary:
            return original
        digest = keyed_digest(self.key, "exported-uid", self.center, original)
        return f"2.25.{UUID(bytes=digest[:16], version=5).int}"

    @property
    def days_earlier(self) -> int:
        """By how many days the patient's dates are moved: 1 to 3650, the same for all of them."""
        digest = keyed_digest(self.key, "exported-dates", self.center, self.patient)
        return 1 + int.from_bytes(digest[:8], "big") % _LONGEST_SHIFT_DAYS

    def date(self, original: str) -> str:
        """Return a date (VR DA), or the date with its time (VR DT) in local time, moved; empty if
        it is none.
        """
        found = _DATE.fullmatch(original.strip())
        if found is None:
            return ""
        try:
            day = date.fromisoformat(found[1])
            moved = day - timedelta(days=self.days_earlier)
        except (ValueError, OverflowError):
            return ""
        return f"{moved:%Y%m%d}".rjust(8, "0") + found[2]


def plain_age(original: str) -> str:
    """Return an age (VR AS) of at most 90 years, because older people are few; empty if it is
    none.
    """
    match = _AGE.fullmatch(original)
    if match is None:
        return ""
    return "090Y" if match[2] == "Y" and int(match[1]) > _OLDEST_YEARS else original
