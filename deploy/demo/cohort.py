"""Synthetic centres: patients whose survival follows from how their tumours look, as DICOM files
and clinical tables.

Rim and texture carry most of the hazard, lobulation and volume some of it; everything else (age,
sex, stage beyond volume, histology, scanner) carries none. What was planted is kept in
``truth.csv``, which the system never reads.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import NormalDist

import numpy as np

from deploy.demo.phantom import GTV, Phantom, Scanner, TumourTraits, make_phantom
from deploy.demo.planning_study import SyntheticPatient, write_planning_study
from feature_store.wording import counted

LOG_HAZARD = TumourTraits(volume=0.52, shape=0.6, heterogeneity=1.0, rim=1.1)
"""Log-hazard per standard score of each trait: standard deviation 1.63, which allows a C-index of
about 0.80.
"""
_MEDIAN_DAYS = 650.0
_WEIBULL_SHAPE = 1.2
_FOLLOW_UP_DAYS = (700.0, 2600.0)
_LIMIT = 2.19


class BadStudy(StrEnum):
    """What is wrong with the one study of a centre that must not be scored."""

    MISSING_SLICE = "missing slice"
    """A slice within the tumour was lost before the study was contoured."""
    TWO_GTVS = "two GTVs"
    """Two ROIs are named like the primary tumour."""


@dataclass(frozen=True)
class CenterSpec:
    """What a synthetic centre is like.

    Parameters
    ----------
    name : str
        Name of the centre; part of its Patient IDs.
    patients : int
        Number of patients with a good study.
    scanners : tuple of Scanner
        How it makes its planning CTs; its patients take turns, whatever their tumours look like.
    adenocarcinoma_share : float
        Share of adenocarcinomas; the others are squamous cell carcinomas.
    bad_study : BadStudy or None
        One patient more, whose study has this defect.

    Raises
    ------
    ValueError
        If there is no patient or no scanner, or the share is not between 0 and 1.
    """

    name: str
    patients: int
    scanners: tuple[Scanner, ...]
    adenocarcinoma_share: float = 0.4
    bad_study: BadStudy | None = None

    def __post_init__(self) -> None:
        if self.patients < 1:
            raise ValueError(
                f"Centre {self.name} is to have {counted(self.patients, 'patient')}: expected at "
                "least 1."
            )
        if not self.scanners:
            raise ValueError(f"Centre {self.name} has no scanner: give at least 1.")
        if not 0 <= self.adenocarcinoma_share <= 1:
            raise ValueError(
                f"adenocarcinoma_share of centre {self.name} is {self.adenocarcinoma_share}: use 0 "
                "to 1."
            )

    @property
    def description(self) -> str:
        """The centre's scanners in words, and its bad study."""
        vendors, voltages, slices = (
            " and ".join(text for text in (", ".join(found[:-1]), found[-1]) if text)
            for found in (
                sorted({scanner.manufacturer for scanner in self.scanners}),
                [f"{kvp:g}" for kvp in sorted({scanner.kvp for scanner in self.scanners})],
                [f"{step:g}" for step in sorted({scanner.slice_mm for scanner in self.scanners})],
            )
        )
        bad = f", and one study with {self.bad_study}" if self.bad_study else ""
        return f"{vendors}, {voltages} kV, {slices} mm slices{bad}"

    def scanner_of(self, index: int) -> Scanner:
        """Return the scanner of the patient at that position, from 0: the scanners in turn."""
        return self.scanners[index % len(self.scanners)]

    def scaled(self, share: float) -> CenterSpec:
        """Return the same centre with that share of its patients, at least 2."""
        return replace(self, patients=max(2, round(self.patients * share)))


DEMO_CENTERS = (
    CenterSpec(
        "A",
        60,
        (
            Scanner("SIEMENS", "B30f", 120, 3.0, 36, noise_hu=12, blur_mm=0.8),
            Scanner("SIEMENS", "B20f", 120, 5.0, 22, noise_hu=8, blur_mm=1.1),
            Scanner("TOSHIBA", "FC18", 120, 2.0, 54, noise_hu=20, blur_mm=0.65),
            Scanner("TOSHIBA", "FC08", 120, 3.0, 36, noise_hu=15, blur_mm=0.95),
        ),
        adenocarcinoma_share=0.3,
    ),
    CenterSpec(
        "B",
        24,
        (
            Scanner(
                "GE MEDICAL SYSTEMS",
                "STANDARD",
                140,
                2.0,
                45,
                noise_hu=18,
                blur_mm=0.7,
                signed=True,
            ),
        ),
        adenocarcinoma_share=0.5,
        bad_study=BadStudy.TWO_GTVS,
    ),
    CenterSpec(
        "C",
        24,
        (Scanner("Philips", "B", 120, 5.0, 30, noise_hu=9, blur_mm=1.0),),
        adenocarcinoma_share=0.4,
    ),
)
"""The centres of the demonstration: A trains on four protocols, B and C validate, each with a
vendor A does not have.

As in a real training centre, the protocol says nothing of the hazard, so that what only the
protocol moves looks unrelated to survival, and what both move has a wide standard deviation.
"""


@dataclass(frozen=True)
class CenterFiles:
    """Where a synthetic centre was written.

    Parameters
    ----------
    dicom : Path
        The folder that holds all studies and nothing else.
    study_folders : tuple of Path
        One folder of DICOM files per study; a bad study is the last.
    clinical_csv : Path
        Age, sex, histology, stage and follow-up of every patient.
    truth_csv : Path
        The planted traits and log-hazards; for judging the system, never for the system.
    """

    dicom: Path
    study_folders: tuple[Path, ...]
    clinical_csv: Path
    truth_csv: Path


@dataclass(frozen=True)
class CohortMember:
    """One synthetic patient: who, how the tumour looks, how it went.

    Parameters
    ----------
    patient : SyntheticPatient
        Identity as in the DICOM header.
    traits : TumourTraits
        How the tumour looks.
    log_hazard : float
        The hazard that follows, as logarithm of the ratio to the average patient's.
    histology, stage : str
        As in the clinical table.
    survival_days : int
        Days from the start of radiotherapy to death or the end of follow-up.
    event : bool
        Whether the patient died.
    """

    patient: SyntheticPatient
    traits: TumourTraits
    log_hazard: float
    histology: str
    stage: str
    survival_days: int
    event: bool


def log_hazard(traits: TumourTraits) -> float:
    """Return the log-hazard that a tumour's looks imply, relative to the average tumour."""
    return math.fsum(
        weight * score for weight, score in zip(astuple(LOG_HAZARD), astuple(traits), strict=True)
    )


def make_cohort(spec: CenterSpec, seed: int) -> tuple[CohortMember, ...]:
    """Draw a centre's patients.

    Parameters
    ----------
    spec : CenterSpec
        What the centre is like.
    seed : int
        The same seed gives the same patients.

    Returns
    -------
    tuple of CohortMember
        ``spec.patients`` of them, and one more for the bad study if there is one.
    """
    rng = _generator(spec, seed)
    scores = np.column_stack([_stratified_scores(spec.patients, rng) for _ in range(4)])
    extra = [np.zeros(4)] if spec.bad_study else []
    return tuple(
        _draw_member(spec, number, row, rng)
        for number, row in enumerate([*scores, *extra], start=1)
    )


def write_center(folder: Path, spec: CenterSpec, seed: int) -> CenterFiles:
    """Write a centre: its studies as DICOM files, its clinical table, and what was planted.

    Parameters
    ----------
    folder : Path
        Where to write: ``dicom/<patient>/*.dcm``, ``clinical.csv`` and ``truth.csv``.
    spec : CenterSpec
        What the centre is like.
    seed : int
        The same seed gives the same bytes.

    Returns
    -------
    CenterFiles
        Where everything is.
    """
    members = make_cohort(spec, seed)
    dicom = folder / "dicom"
    folders = []
    for index, member in enumerate(members):
        scanner = spec.scanner_of(index)
        phantom = make_phantom(member.traits, scanner, _generator(spec, seed, index + 1))
        folders.append(dicom / member.patient.patient_id)
        bad = spec.bad_study if index == spec.patients else None
        lost: frozenset[int] = frozenset()
        if bad is BadStudy.TWO_GTVS:
            phantom = _with_second_gtv(phantom)
        elif bad is BadStudy.MISSING_SLICE:
            lost = frozenset({_middle_slice(phantom)})
        write_planning_study(folders[-1], member.patient, phantom, scanner, lost)
    files = CenterFiles(dicom, tuple(folders), folder / "clinical.csv", folder / "truth.csv")
    _write_table(files.clinical_csv, (_clinical_row(member) for member in members))
    _write_table(files.truth_csv, (_truth_row(member) for member in members))
    return files


def _generator(spec: CenterSpec, seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(spec.name.encode()), *stream])


def _stratified_scores(count: int, rng: np.random.Generator) -> list[float]:
    """Return normal scores, one from each of `count` equally likely intervals, so that small
    cohorts are not freaks.
    """
    shares = (rng.permutation(count) + rng.random(count)) / count
    return [
        min(max(NormalDist().inv_cdf(share), -_LIMIT), _LIMIT)
        for share in np.clip(shares, 1e-6, 1 - 1e-6)
    ]


def _draw_member(
    spec: CenterSpec, number: int, scores: np.ndarray, rng: np.random.Generator
) -> CohortMember:
    traits = TumourTraits(*(round(float(score), 4) for score in scores))
    hazard = log_hazard(traits)
    death = _MEDIAN_DAYS * (rng.exponential() / math.log(2) / math.exp(hazard)) ** (
        1 / _WEIBULL_SHAPE
    )
    follow_up = rng.uniform(*_FOLLOW_UP_DAYS)
    advanced = traits.volume + rng.normal(0, 1.2)
    stage = (
        "I"
        if advanced < -1.0
        else "II"
        if advanced < -0.3
        else "IIIa"
        if advanced < 0.6
        else "IIIb"
    )
    day = int(rng.integers(0, 28)) + 1
    patient = SyntheticPatient(
        patient_id=f"SYN-{spec.name}-{number:03d}",
        sex="M" if rng.random() < 0.65 else "F",
        age_years=int(np.clip(rng.normal(67, 9), 42, 89)),
        study_date=f"{2015 + int(rng.integers(0, 5))}{int(rng.integers(1, 13)):02d}{day:02d}",
    )
    return CohortMember(
        patient=patient,
        traits=traits,
        log_hazard=hazard,
        histology="adenocarcinoma"
        if rng.random() < spec.adenocarcinoma_share
        else "squamous cell carcinoma",
        stage=stage,
        survival_days=max(1, math.ceil(min(death, follow_up))),
        event=death <= follow_up,
    )


def _middle_slice(phantom: Phantom) -> int:
    heights = [float(points[0, 2]) for points in phantom.contours[GTV]]
    return round((heights[len(heights) // 2] - phantom.origin_mm[2]) / phantom.spacing_mm[2])


def _with_second_gtv(phantom: Phantom) -> Phantom:
    """Add an ROI ``GTV``: the same tumour, drawn 2 mm further to the patient's left by somebody
    else.
    """
    second = tuple(
        np.round(points + np.array([2.0, 0.0, 0.0]), 2) for points in phantom.contours[GTV]
    )
    return replace(phantom, contours={**phantom.contours, "GTV": second})


def _clinical_row(member: CohortMember) -> dict[str, object]:
    return {
        "patient_id": member.patient.patient_id,
        "age": member.patient.age_years,
        "sex": {"M": "male", "F": "female"}[member.patient.sex],
        "histology": member.histology,
        "stage": member.stage,
        "survival_days": member.survival_days,
        "event": int(member.event),
    }


def _truth_row(member: CohortMember) -> dict[str, object]:
    return {
        "patient_id": member.patient.patient_id,
        "log_hazard": member.log_hazard,
        **asdict(member.traits),
    }


def _write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    table = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]))
        writer.writeheader()
        writer.writerows(table)
