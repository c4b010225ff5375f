"""The rows of the feature store: who a study is, what a model said of it, and the columns of each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.tables.keyed_table import ROW_DIGEST, WRITTEN_AT

DEEP_INPUT_SHAPE = (64, 64, 64)
DEEP_FEATURES = 512

_TEXT, _REAL = pa.string(), pa.float64()
_IDENTITY = [(name, _TEXT) for name in ("center", "patient_key", "study_key", "content_digest")]
STUDY = ("center", "patient_key", "study_key", "content_digest")
TABLES: dict[str, tuple[tuple[str, ...], list[tuple[str, pa.DataType]]]] = {
    "radiomics": (
        (*STUDY, "region", "settings_digest"),
        [*_IDENTITY, ("region", _TEXT), ("settings_digest", _TEXT), ("features", pa.list_(_REAL))],
    ),
    "deep_input": (STUDY, [*_IDENTITY, ("voxels", pa.binary())]),
    "deep": (
        (*STUDY, "network_digest"),
        [*_IDENTITY, ("network_digest", _TEXT), ("features", pa.list_(pa.float32()))],
    ),
    "clinical": (
        ("center", "patient_key"),
        [
            ("center", _TEXT),
            ("patient_key", _TEXT),
            ("age", _REAL),
            ("sex", _TEXT),
            ("histology", _TEXT),
            ("stage", _TEXT),
            ("survival_days", _REAL),
            ("event", pa.bool_()),
        ],
    ),
    "scores": (
        (*STUDY, "model_digest"),
        [
            *_IDENTITY,
            ("model_digest", _TEXT),
            ("linear_predictor", _REAL),
            ("high_risk", pa.bool_()),
            ("horizon_days", pa.list_(pa.int32())),
            ("survival", pa.list_(_REAL)),
            ("roi_number", pa.int32()),
            ("warnings", pa.list_(_TEXT)),
            ("software_version", _TEXT),
            ("scored_at", pa.timestamp("us", "UTC")),
        ],
    ),
    "acquisitions": (
        STUDY,
        [
            *_IDENTITY,
            ("month", _TEXT),
            ("manufacturer", _TEXT),
            ("model_name", _TEXT),
            ("convolution_kernel", _TEXT),
            ("kvp", _REAL),
            ("slice_thickness_mm", _REAL),
        ],
    ),
    "findings": ((*STUDY, "code"), [*_IDENTITY, ("code", _TEXT), ("severity", _TEXT), ("sentence", _TEXT)]),
}
"""Key columns and all columns of each table."""


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
            raise ValueError(f"a study identity lacks {', '.join(empty)}: expected four texts that are not empty")


@dataclass(frozen=True)
class ScoreRow:
    """What one frozen model said of one content of one study.

    Parameters
    ----------
    identity : StudyIdentity
        Which study and content.
    model_digest : str
        Digest of the frozen bundle.
    linear_predictor : float
        Log relative hazard.
    high_risk : bool
        Whether it lies above the frozen cut-off.
    survival : mapping of int to float
        Predicted survival probability by horizon in days.
    roi_number : int
        ROI Number of the contour that was scored.
    warnings : tuple of str
        What was not as the paper's protocol has it.
    software_version : str
        Version of this software.
    scored_at : datetime
        When, timezone-aware.

    Raises
    ------
    ValueError
        If the linear predictor or a probability is not a number in its range, or the time has no zone.
    """

    identity: StudyIdentity
    model_digest: str
    linear_predictor: float
    high_risk: bool
    survival: Mapping[int, float]
    roi_number: int
    warnings: tuple[str, ...]
    software_version: str
    scored_at: datetime

    def __post_init__(self) -> None:
        if not np.isfinite(self.linear_predictor):
            raise ValueError(f"the linear predictor is {self.linear_predictor}: expected a finite number")
        for days, probability in self.survival.items():
            if not 0 <= probability <= 1:
                raise ValueError(f"survival at {days} days is {probability}: expected a probability")
        if self.scored_at.tzinfo is None:
            raise ValueError("the time of scoring has no zone: expected a timezone-aware datetime")
        object.__setattr__(self, "survival", MappingProxyType(dict(sorted(self.survival.items()))))


def identity_of(row: Mapping[str, Any]) -> StudyIdentity:
    """Return the study of a row of any table but the clinical one."""
    return StudyIdentity(*(row[name] for name in STUDY))


def newest_by(rows: Sequence[dict[str, Any]], by: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each value of `by` the row that was written last, ordered by patient key."""
    newest: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row[WRITTEN_AT], row["content_digest"])):
        newest[tuple(row[name] for name in by)] = row
    return sorted(newest.values(), key=lambda row: (row["patient_key"], row["center"]))


def clinical_record_of(row: Mapping[str, Any]) -> ClinicalRecord:
    """Return the clinical record that a row of the clinical table holds."""
    content = {name: value for name, value in row.items() if name not in {WRITTEN_AT, ROW_DIGEST}}
    sex, histology = content.pop("sex"), content.pop("histology")
    return ClinicalRecord(**content, sex=sex and Sex(sex), histology=histology and Histology(histology))


def row_of_score(row: ScoreRow) -> dict[str, Any]:
    """Return a score as a row of the table of scores."""
    return {
        **asdict(row.identity),
        "model_digest": row.model_digest,
        "linear_predictor": row.linear_predictor,
        "high_risk": row.high_risk,
        "horizon_days": list(row.survival),
        "survival": list(row.survival.values()),
        "roi_number": row.roi_number,
        "warnings": list(row.warnings),
        "software_version": row.software_version,
        "scored_at": row.scored_at,
    }


def score_of(row: Mapping[str, Any]) -> ScoreRow:
    """Return the score that a row of the table of scores holds."""
    return ScoreRow(
        identity=identity_of(row),
        model_digest=row["model_digest"],
        linear_predictor=row["linear_predictor"],
        high_risk=row["high_risk"],
        survival=dict(zip(row["horizon_days"], row["survival"], strict=True)),
        roi_number=row["roi_number"],
        warnings=tuple(row["warnings"]),
        software_version=row["software_version"],
        scored_at=row["scored_at"],
    )
