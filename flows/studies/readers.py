"""Two readers' contours of one study, beside contours that are perturbed as the settings say: how
far each differs from the one that was scored, and what each scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dicom_node.errors import StudyStateError
from dicom_node.registry.registry import StudyFiles
from dicom_node.registry.study_files import InstanceFile
from feature_store.errors import StudyDefect
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.contour_difference import ContourDifference, contour_difference
from feature_store.imaging.reading import read_study
from feature_store.study_features import LoadedStudy, load_study, perturbed_contours, prepared
from feature_store.wording import counted
from flows.data.elsewhere import refuse_measuring
from flows.data.identity import meant_study
from flows.installation import Installation
from flows.studies.certainty import score_contours


@dataclass(frozen=True)
class OtherContour:
    """A contour beside the one that was scored: how far it differs, and what it scores.

    Parameters
    ----------
    difference : ContourDifference
        From the contour that was scored.
    score : float or None
        Linear predictor; `None` if it could not be measured.
    """

    difference: ContourDifference
    score: float | None


@dataclass(frozen=True)
class ReaderComparison:
    """What was found.

    Parameters
    ----------
    score : float or None
        Linear predictor of the contour that is scored.
    cutoff : float
        Above it risk is high.
    readers : tuple of OtherContour
        One for each other RTSTRUCT of the study.
    perturbed : tuple of OtherContour
        One for each perturbed contour.
    defects : tuple of str
        Why a further RTSTRUCT has no contour to compare.
    """

    score: float | None
    cutoff: float
    readers: tuple[OtherContour, ...]
    perturbed: tuple[OtherContour, ...]
    defects: tuple[str, ...]

    def in_words(self) -> list[str]:
        """Return it as lines for people."""
        away = [one.difference.surface_mm for one in self.perturbed]
        lines = [
            f"{'':22}{'Dice':>8}{'volume':>8}{'surface':>10}{'95 %':>10}{'score':>9}  group",
            f"{'contour that is scored':22}{'':36}{self._score(self.score)}",
            *(
                self._row(f"other RTSTRUCT {number}", one)
                for number, one in enumerate(self.readers, start=1)
            ),
            *(
                self._row(f"perturbed, {name}", self._percentile(at))
                for name, at in (("10th", 10), ("median", 50), ("90th", 90))
            ),
        ]
        for number, one in enumerate(self.readers, start=1):
            nearer = sum(mm < one.difference.surface_mm for mm in away)
            lines.append(
                f"Other RTSTRUCT {number} lies {one.difference.surface_mm:.2f} mm away "
                f"on average: further than {nearer} of {counted(len(away), 'perturbed contour')}."
            )
        return [*lines, *self.defects]

    def _row(self, name: str, one: OtherContour) -> str:
        found = one.difference
        return (
            f"{name:22}{found.dice:8.3f}{found.volume_ratio:8.3f}{found.surface_mm:7.2f} mm"
            f"{found.surface_95_mm:7.2f} mm{self._score(one.score)}"
        )

    def _score(self, score: float | None) -> str:
        if score is None:
            return f"{'none':>9}"
        return f"{score:+9.3f}  {'high' if score > self.cutoff else 'low'}"

    def _percentile(self, at: int) -> OtherContour:
        """Return a percentile of each number by itself."""
        rows = [one.difference for one in self.perturbed]
        scores = [one.score for one in self.perturbed if one.score is not None]
        return OtherContour(
            ContourDifference(
                *(
                    float(np.percentile([getattr(row, name) for row in rows], at))
                    for name in ContourDifference.__dataclass_fields__
                )
            ),
            float(np.percentile(scores, at)) if scores else None,
        )


def compare_readers(work: Installation, pseudonym: str, contours: int) -> ReaderComparison:
    """Compare every RTSTRUCT of a study with the one that is scored, and with perturbed contours.

    Parameters
    ----------
    work : Installation
        Archive, settings and pinned model.
    pseudonym : str
        The study's, or its patient's where there is one study.
    contours : int
        Perturbed contours.

    Raises
    ------
    StudyStateError
        If the study has one RTSTRUCT only.
    StudyDefect
        If the contour that is scored cannot be loaded.
    """
    study_key = meant_study(work, pseudonym)
    files = work.registry.outbox.files(study_key)
    others = [
        one
        for one in work.registry.studies.rtstructs(study_key, work.settings.node.folder / "archive")
        if one.sop_instance_uid != files.rtstruct.sop_instance_uid
    ]
    if not others:
        raise StudyStateError(
            f"Study {study_key} has one RTSTRUCT: expected another reader's in the same study."
        )
    refuse_measuring(work.bundle)
    settings = work.settings.extraction()
    study = _loaded(work, files, files.rtstruct)
    volume, drawn = prepared(study, settings)
    readers, defects = [], []
    for number, other in enumerate(others, start=1):
        try:
            readers.append(prepared(_loaded(work, files, other), settings)[1])
        except StudyDefect as defect:
            defects.append(f"A further RTSTRUCT ({number} of {len(others)}): {defect}")
    moved = perturbed_contours(
        study, settings, contours, files.content_digest, work.settings.certainty.perturbation()
    )
    bundle = work.bundle
    answers = score_contours(bundle, study, settings, (drawn, *readers, *moved))
    score, *scores = answers.linear_predictors

    def compared(masks: Sequence[BoxedMask], of: Sequence[float | None]) -> list[OtherContour]:
        return [
            OtherContour(contour_difference(one, drawn, volume.spacing_mm), found)
            for one, found in zip(masks, of, strict=True)
            if one.count
        ]

    return ReaderComparison(
        score,
        bundle.model.cutoff,
        tuple(compared(readers, scores[: len(readers)])),
        tuple(compared(moved, scores[len(readers) :])),
        tuple(defects),
    )


def _loaded(work: Installation, files: StudyFiles, rtstruct: InstanceFile) -> LoadedStudy:
    reading = read_study(
        [instance.path for instance in files.ct],
        rtstruct.path,
        {one.path: one.content_sha256 for one in (rtstruct, *files.ct)},
    )
    overlapping = OverlappingContours(work.settings.features.overlapping_contours)
    return load_study(reading, work.center(files.center).gtv_pattern, overlapping)
