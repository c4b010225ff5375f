"""The intraclass correlation: by its definition, of what is steady and of what is noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from models.bundle.records import from_record, to_record
from models.combined.robustness import Robustness, measure_robustness
from models.errors import TrainingError

COLUMNS = ("gtv:steady", "gtv:half", "deep:000", "deep:001")
N, CONTOURS = 200, 6


def patients() -> list[NDArray[np.float64]]:
    """Features of which the patients are all, half, or none of the variance, and one constant."""
    random = np.random.default_rng(5)
    own = random.normal(size=(N, 1))
    noise = random.normal(size=(N, CONTOURS, 2))
    return [
        np.column_stack(
            [
                np.repeat(own[number], CONTOURS),
                own[number] + noise[number, :, 0],
                noise[number, :, 1],
                np.full(CONTOURS, 3.0),
            ]
        )
        for number in range(N)
    ]


def test_correlations_are_those_of_the_analysis_of_variance() -> None:
    found = measure_robustness(patients(), COLUMNS, 0.9, CONTOURS)
    values = np.stack(patients())[:, :, 1]
    between = CONTOURS * values.mean(axis=1).var(ddof=1)
    within = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum() / (N * (CONTOURS - 1))
    assert found.correlations["gtv:half"] == pytest.approx(
        (between - within) / (between + (CONTOURS - 1) * within)
    )
    assert found.correlations["gtv:half"] == pytest.approx(0.5, abs=0.08)
    assert found.correlations["gtv:steady"] == pytest.approx(1)
    assert found.correlations["deep:000"] == pytest.approx(0, abs=0.05)
    assert found.correlations["deep:001"] == 0
    assert found.counts() == {"gtv": (1, 2), "deep": (0, 2)}
    assert (found.n, found.n_left_out) == (N, 0)


def test_only_features_that_reach_the_threshold_are_kept() -> None:
    table = pd.DataFrame(np.ones((3, 4)), columns=COLUMNS)
    for threshold, kept in ((0.9, ["gtv:steady"]), (0.3, ["gtv:steady", "gtv:half"])):
        found = measure_robustness(patients(), COLUMNS, threshold, CONTOURS)
        assert list(found.robust(table).columns) == kept


def test_patients_who_could_not_be_measured_are_counted_and_few_are_refused() -> None:
    some = [*patients()[:10], None, None]
    assert measure_robustness(some, COLUMNS, 0.9, CONTOURS).n_left_out == 2
    with pytest.raises(TrainingError, match="contours of 9 patients could be perturbed"):
        measure_robustness(some[1:], COLUMNS, 0.9, CONTOURS)


def test_it_is_kept_in_a_bundle_as_it_is() -> None:
    found = measure_robustness(patients(), COLUMNS, 0.9, CONTOURS)
    assert from_record(Robustness, to_record(found)) == found
