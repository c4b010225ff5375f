"""Which content of which study, under pseudonyms."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TABLE_PREFIX = "table-"
"""Begins the key of what stands in place of a study where features come from a table."""


@dataclass(frozen=True, order=True)
class StudyIdentity:
    """One content of one study, under pseudonyms.

    Parameters
    ----------
    center : str
        Name of the centre.
    patient_key, study_key : str
        Keyed pseudonyms.
    content_digest : str
        SHA-256 over the RTSTRUCT and CT instances that the study consists of.

    Raises
    ------
    ValueError
        If one of them is empty.
    """

    center: str
    patient_key: str
    study_key: str
    content_digest: str

    def __post_init__(self) -> None:
        empty = [name for name, value in asdict(self).items() if not value]
        if empty:
            raise ValueError(
                f"A study identity lacks {', '.join(empty)}: expected four texts that are not "
                "empty."
            )

    @property
    def is_of_table(self) -> bool:
        """Whether it stands for a row of a table of features that were made elsewhere."""
        return self.study_key.startswith(TABLE_PREFIX)
