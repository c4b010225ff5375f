"""Spellings of one scanner are one, and the training patients stand beside."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.unit.validation_reports.conftest import made_acquisitions
from validation_reports.statistics.acquisition_table import (
    AcquisitionTable,
    TissueMedian,
    describe_acquisitions,
)


def test_spellings_of_one_scanner_are_one_and_the_training_patients_stand_beside() -> None:
    table = made_acquisitions(60)
    score = np.where(table["manufacturer"].str.startswith("GE"), 2.0, 0.0)
    training = pd.DataFrame(
        {
            "month": None,
            "manufacturer": ["SIEMENS"] * 5,
            "model_name": "ONE",
            "convolution_kernel": "B30f",
            "kvp": [100.0] * 5,
            "slice_thickness_mm": 3.0,
        },
    )
    found = describe_acquisitions(table, score, training)
    assert isinstance(found, AcquisitionTable)
    scanner, voltage, thickness, kernel = found.characteristics
    levels = {level.level: level for level in scanner.levels}
    assert levels.keys() == {"SIEMENS ONE", "GE MEDICAL ONE"}
    assert sum(level.n for level in scanner.levels) == 60
    assert (levels["GE MEDICAL ONE"].mean_score, levels["GE MEDICAL ONE"].n_training) == (2.0, 0)
    assert (levels["SIEMENS ONE"].mean_score, levels["SIEMENS ONE"].n_training) == (0.0, 5)
    assert [(level.level, level.n_training) for level in voltage.levels] == [("120 kV", 0)]
    assert thickness.levels[-1].level == "not known"
    assert [level.level for level in kernel.levels] == ["not known"]
    many = table.assign(model_name=[str(number) for number in range(60)])
    rest = describe_acquisitions(many, score)
    assert isinstance(rest, AcquisitionTable)
    assert (rest.characteristics[0].levels[-1].level, rest.characteristics[0].levels[-1].n) == (
        "others",
        52,
    )
    assert rest.n_training is None


def test_what_the_rings_hold_is_told_as_medians_beside_those_of_the_training_patients() -> None:
    table = made_acquisitions(5)
    assert describe_acquisitions(table, np.zeros(5)).tissues == ()  # type: ignore[union-attr]
    table["ring_6mm:lung_share"] = [0.1, 0.3, None, 0.5, 0.9]
    table["ring_6mm:soft_tissue_share"] = 0.4
    table["ring_3mm:bone_share"] = None
    training = made_acquisitions(3)
    training["ring_6mm:lung_share"] = [0.7, 0.8, None]
    found = describe_acquisitions(table, np.zeros(5), training)
    assert isinstance(found, AcquisitionTable)
    assert found.tissues == (
        TissueMedian("ring_6mm", "lung", 0.4, 0.75, n=4, n_training=2),
        TissueMedian("ring_6mm", "soft tissue", 0.4, None, n=5, n_training=0),
    )
