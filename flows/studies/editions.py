"""Which edition of a study content's objects a score is.

The same content and model give the same objects under the same UIDs. What is scored again and says
something else, as when the centre's rule names another ROI now, is another edition, under UIDs and
files of its own: a UID stands for one content.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_node.registry.registry import StudyFiles
from flows.installation import Installation
from flows.studies.scored import Scored

NOT_RETURNED: Final = "The regions that were measured are not returned."


@dataclass(frozen=True)
class Edition:
    """One edition of the objects on a study content by the pinned model.

    Parameters
    ----------
    number : int
        1 is the first.
    before : Path or None
        The structured report of the edition before.
    """

    number: int = 1
    before: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What UIDs are derived from besides content and model: nothing in the first, as ever."""
        return () if self.number == 1 else (f"edition {self.number}",)


FIRST: Final = Edition()


def edition_of(work: Installation, files: StudyFiles, scored: Scored) -> Edition:
    """Return the newest edition where it tells this score, otherwise the next one."""
    which, there = (files.center, files.study_key, files.content_digest), list[Path]()
    for number in count(1):
        path = work.returned_file(*which, edition=number)
        if not path.exists():
            break
        there.append(path)
    if there and not _tells(there[-1], scored):
        return Edition(len(there) + 1, there[-1])
    number = max(len(there), 1)
    return Edition(number, there[-2] if number > 1 else None)


def _tells(path: Path, scored: Scored) -> bool:
    """Say whether a report tells this score; one that cannot be read is taken to."""
    # highdicom takes seconds to import
    from validation_reports.dicom.reported_score import (  # noqa: PLC0415
        ReportedScore,
        reported_score,
    )

    try:
        told = reported_score(dcmread(path))
    except (OSError, InvalidDicomError):
        return True
    if told is None:
        return True
    now = ReportedScore(
        str(scored.checked.study.gtv.number),
        scored.answer.risk.linear_predictor,
        scored.answer.risk.high_risk,
        scored.warnings,
    )
    kept = [one for one in told.warnings if not one.startswith(NOT_RETURNED)]
    return now.is_told_like(
        ReportedScore(told.roi_number, told.linear_predictor, told.high_risk, kept)
    )
