"""The tables of the feature store: the key and the columns of each."""

from __future__ import annotations

import pyarrow as pa

from feature_store.imaging.tissues import TissueShares

DEEP_INPUT_SHAPE = (64, 64, 64)
DEEP_FEATURES = 512

_TEXT, _REAL = pa.string(), pa.float64()
TISSUE_COLUMNS = tuple(f"{tissue}_share" for tissue in TissueShares.__dataclass_fields__)
"""Columns of what a region holds; empty where an earlier release measured it."""
_IDENTITY = [(name, _TEXT) for name in ("center", "patient_key", "study_key", "content_digest")]
STUDY = ("center", "patient_key", "study_key", "content_digest")
TABLES: dict[str, tuple[tuple[str, ...], list[tuple[str, pa.DataType]]]] = {
    "radiomics": (
        (*STUDY, "region", "settings_digest"),
        [
            *_IDENTITY,
            ("region", _TEXT),
            ("settings_digest", _TEXT),
            ("features", pa.list_(_REAL)),
            *((share, _REAL) for share in TISSUE_COLUMNS),
        ],
    ),
    "imported_features": (
        (*STUDY, "region"),
        [
            *_IDENTITY,
            ("region", _TEXT),
            ("origin", _TEXT),
            ("settings", _TEXT),
            ("settings_digest", _TEXT),
            ("names", pa.list_(_TEXT)),
            ("features", pa.list_(_REAL)),
        ],
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
            ("treatment_start_s", pa.int64()),
            ("confirmed", pa.list_(_TEXT)),
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
            ("engine", _TEXT),
        ],
    ),
    "certainty": (
        (*STUDY, "model_digest"),
        [
            *_IDENTITY,
            ("model_digest", _TEXT),
            ("linear_predictors", pa.list_(_REAL)),
            ("p10", _REAL),
            ("p90", _REAL),
            ("other_group", _REAL),
            ("sd_mm", _REAL),
            ("correlation_mm", _REAL),
            ("cut_mm", _REAL),
            ("software_version", _TEXT),
            ("computed_at", pa.timestamp("us", "UTC")),
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
    "images": (
        STUDY,
        [
            *_IDENTITY,
            ("acquired_s", pa.int64()),
            ("instances", pa.list_(_TEXT)),
            ("pixels", pa.list_(_TEXT)),
            ("persons", pa.list_(_TEXT)),
        ],
    ),
    "replaced": (STUDY, [*_IDENTITY, ("is_replaced", pa.bool_())]),
    "checks": (
        (*STUDY, "suite"),
        [
            *_IDENTITY,
            ("suite", _TEXT),
            ("codes", pa.list_(_TEXT)),
            ("unmet", pa.list_(_TEXT)),
            ("severities", pa.list_(_TEXT)),
            ("sentences", pa.list_(_TEXT)),
            ("n", pa.int32()),
            ("model_digest", _TEXT),
            ("checked_at", pa.timestamp("us", "UTC")),
            ("software_version", _TEXT),
        ],
    ),
    "findings": (
        (*STUDY, "code"),
        [*_IDENTITY, ("code", _TEXT), ("severity", _TEXT), ("sentence", _TEXT)],
    ),
}
"""Key columns and all columns of each table. `findings` is read only: what earlier releases found
of contents that no row of `checks` is about.
"""
