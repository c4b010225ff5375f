"""What a report names: the model that scored and the contour that was scored."""

from __future__ import annotations

import re
from dataclasses import dataclass

from validation_reports.errors import StructuredReportError

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RoiReference:
    """The contour that was scored.

    Parameters
    ----------
    number : int
        ROI Number (3006,0022).
    name : str
        ROI Name (3006,0026); signs that no label of an object may hold are replaced, a backslash
        by a slash and what is not printed by a blank (PS3.5 section 6.2, LO).
    """

    number: int
    name: str

    def __post_init__(self) -> None:
        printed = "".join(sign if sign.isprintable() else " " for sign in self.name)
        label = " ".join(printed.replace("\\", "/").split())
        object.__setattr__(self, "name", label or f"ROI {self.number}")


@dataclass(frozen=True)
class ModelReference:
    """The frozen model that made the score.

    Parameters
    ----------
    name, version : str
        As the frozen bundle names itself.
    digest : str
        Lower-case hexadecimal SHA-256 of the bundle's manifest.
    demonstration : bool
        Whether the model was trained on synthetic patients; the report then says so first.
    intended_use : str
        The bundle's own sentence on what it may be used for.

    Raises
    ------
    StructuredReportError
        If name or version is empty, or the digest is not a SHA-256.
    """

    name: str
    version: str
    digest: str
    demonstration: bool
    intended_use: str

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.version.strip():
            raise StructuredReportError(
                f"The model is named {self.name!r}, version {self.version!r}: give both, so a "
                "score names its model."
            )
        if not _DIGEST.fullmatch(self.digest):
            raise StructuredReportError(
                f"The model digest {self.digest!r} is not a SHA-256: expected 64 lower-case "
                "hexadecimal digits."
            )
