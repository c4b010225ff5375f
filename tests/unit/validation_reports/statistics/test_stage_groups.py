"""Stages are grouped with all their sub-stages; what is no stage I to IV is in neither group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from validation_reports.statistics.stage_groups import (
    ADVANCED,
    EARLY,
    in_order,
    is_advanced,
    known_stages,
    stage_group,
    without_sub_stage,
)
from validation_reports.statistics.subgroups import subgroup_masks


@pytest.mark.parametrize(
    ("stages", "group", "advanced"),
    [
        (("I", "IA", "IA1", "IA3", "IB", "II", "IIA", "IIB", "I-II", "iia "), EARLY, False),
        (("III", "IIIA", "IIIB", "IIIC", "IV", "IVA", "IVB", "III-IV"), ADVANCED, True),
        (("0", "occult", "OCCULT"), None, False),
        (("unknown", "X", "", "nan", "II-III", "V", "IIII", "IIID", None, np.nan), None, None),
    ],
)
def test_every_stage_has_its_group(
    stages: tuple[str, ...], group: str | None, advanced: bool | None
) -> None:
    assert {stage_group(stage) for stage in stages} == {group}
    assert {is_advanced(stage) for stage in stages} == {advanced}


def test_stages_are_in_their_order_and_sub_stages_leave_their_letters() -> None:
    ordered = ["0", "OCCULT", "I", "IA", "IA1", "IB", "II", "IIIA", "IIIC", "IVA"]
    assert in_order(set(ordered)) == ordered
    assert [without_sub_stage(stage) for stage in ordered[3:]] == (
        ["I", "I", "I", "II", "III", "III", "IV"]
    )


def test_stage_four_is_advanced_in_the_subgroups() -> None:
    stage = pd.Series(["IA1", "IVA", "IIIC", "0", "unknown", None])
    covariates = pd.DataFrame({"stage": stage}).assign(age=np.nan, sex=None, histology=None)
    masks = subgroup_masks(covariates)["stage"]
    assert [masks[EARLY].tolist(), masks[ADVANCED].tolist()] == [
        [True, False, False, False, False, False],
        [False, True, True, False, False, False],
    ]
    assert known_stages(stage).tolist() == [True, True, True, True, False, False]
