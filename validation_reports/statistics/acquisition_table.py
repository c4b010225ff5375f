"""Which scanners and protocols the patients were scanned with, beside those of the training
patients.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validation_reports.not_estimable import NotEstimable

Array = NDArray[np.float64]
_CHARACTERISTICS = ("scanner", "tube voltage", "slice thickness", "kernel")
_SHARE = "_share"
UNKNOWN = "not known"
REST = "others"
MOST_LEVELS = 8
"""Levels of a characteristic that are listed; rarer ones are put together."""


@dataclass(frozen=True)
class ProtocolLevel:
    """One scanner or setting.

    Parameters
    ----------
    level : str
        The name of the scanner, or the value of the setting.
    n : int
        Patients.
    mean_score : float
        Of their linear predictors.
    n_training : int or None
        Training patients with it; `None` where theirs are not known.
    """

    level: str
    n: int
    mean_score: float
    n_training: int | None


@dataclass(frozen=True)
class ProtocolCharacteristic:
    """One characteristic of the acquisition and its levels, the most frequent first."""

    name: str
    levels: tuple[ProtocolLevel, ...]


@dataclass(frozen=True)
class TissueMedian:
    """Median share of a tissue in a region over the patients where it is known, and over the
    training patients, `None` where it is not known of them; and of how many patients and training
    patients it is known (`None` in reports of before).
    """

    region: str
    tissue: str
    median: float
    median_training: float | None
    n: int | None = None
    n_training: int | None = None


@dataclass(frozen=True)
class AcquisitionTable:
    """Scanners and protocols of a cohort, how many training patients they are compared with, and
    what the regions hold.
    """

    characteristics: tuple[ProtocolCharacteristic, ...]
    n_training: int | None
    tissues: tuple[TissueMedian, ...] = ()


def describe_acquisitions(
    acquisitions: pd.DataFrame | None, linear_predictor: Array, training: pd.DataFrame | None = None
) -> AcquisitionTable | NotEstimable:
    """Count the patients by scanner and protocol.

    Parameters
    ----------
    acquisitions : DataFrame or None, shape (n, any)
        Columns as of `feature_store.tables.rows.AcquisitionRecord`, and ``<region>:<share>``;
        missing values are allowed.
    linear_predictor : ndarray, shape (n,)
        The cohort's scores.
    training : DataFrame or None, shape (m, any)
        The same of the training patients.
    """
    if acquisitions is None or acquisitions.drop(columns="month").isna().all(axis=None):
        return NotEstimable(
            "There is no table of scanners and protocols: the feature store keeps none for these "
            "patients, whose studies were scored by an earlier version, or whose headers are empty."
        )
    now = _labels(acquisitions)
    then = None if training is None or training.empty else _labels(training)
    return AcquisitionTable(
        tuple(
            _characteristic(name, now[name], linear_predictor, None if then is None else then[name])
            for name in _CHARACTERISTICS
        ),
        None if then is None else len(then),
        _tissues(acquisitions, training),
    )


def _tissues(now: pd.DataFrame, then: pd.DataFrame | None) -> tuple[TissueMedian, ...]:
    found = []
    for name in sorted(column for column in map(str, now) if column.endswith(_SHARE)):
        region, _, share = name.partition(":")
        values = pd.to_numeric(now[name]).dropna()
        trained = (
            pd.to_numeric(then[name]).dropna()
            if then is not None and name in then
            else pd.Series(dtype=float)
        )
        if not values.empty:
            tissue = share.removesuffix(_SHARE).replace("_", " ")
            median_training = None if trained.empty else float(trained.median())
            median = float(values.median())
            found.append(
                TissueMedian(region, tissue, median, median_training, len(values), len(trained))
            )
    return tuple(found)


def _labels(table: pd.DataFrame) -> pd.DataFrame:
    """Return each characteristic as text; blanks and letter case, which differ between exports, are
    evened out.
    """
    scanner = table["manufacturer"].map(_text) + " " + table["model_name"].map(_text)
    return pd.DataFrame(
        {
            "scanner": scanner.map(
                lambda text: " ".join(text.replace(UNKNOWN, "").split()) or UNKNOWN
            ),
            "tube voltage": table["kvp"].map(lambda value: _number(value, "kV")),
            "slice thickness": table["slice_thickness_mm"].map(lambda value: _number(value, "mm")),
            "kernel": table["convolution_kernel"].map(_text),
        }
    )


def _characteristic(
    name: str, now: pd.Series[str], score: Array, then: pd.Series[str] | None
) -> ProtocolCharacteristic:
    counts = Counter(now)
    trained = None if then is None else Counter(then)
    order = sorted(counts, key=lambda level: (level == UNKNOWN, -counts[level], level))
    listed, rare = order[:MOST_LEVELS], order[MOST_LEVELS:]
    levels = [
        ProtocolLevel(
            level,
            counts[level],
            float(score[(now == level).to_numpy()].mean()),
            None if trained is None else trained[level],
        )
        for level in listed
    ]
    if rare:
        rows = now.isin(rare).to_numpy()
        n_training = None if trained is None else sum(trained[level] for level in rare)
        levels.append(ProtocolLevel(REST, int(rows.sum()), float(score[rows].mean()), n_training))
    return ProtocolCharacteristic(name, tuple(levels))


def _text(value: object) -> str:
    # NaN is unlike itself
    text = "" if value is None or value != value else " ".join(str(value).split())  # noqa: PLR0124
    return text.upper() if text else UNKNOWN


def _number(value: object, unit: str) -> str:
    try:
        number = float(str(value))
    except ValueError:
        return UNKNOWN
    return f"{number:g} {unit}" if np.isfinite(number) else UNKNOWN
