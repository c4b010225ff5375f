"""Clinical records: who is included, how stages are grouped, what cannot exist."""

from __future__ import annotations

import math

import pytest

from feature_store.clinical_records import (
    ClinicalRecord,
    Histology,
    Sex,
    StageGroup,
    eligible,
)

GOOD = ClinicalRecord("k", "A", 66.5, Sex.MALE, Histology.ADENOCARCINOMA, "IIIA", 500.0, True)


def with_(**changes: object) -> ClinicalRecord:
    return ClinicalRecord(**{**GOOD.__dict__, **changes})


def test_inclusion_follows_the_paper() -> None:
    assert eligible(GOOD).eligible
    assert eligible(with_(histology=Histology.SQUAMOUS)).eligible
    assert eligible(with_(age=18.1)).eligible
    assert eligible(with_(age=None)).eligible
    assert (
        eligible(with_(age=18.0)).reason == "age is 18 years; included are patients older than 18"
    )
    assert "not recorded" in str(eligible(with_(histology=None)).reason)
    assert eligible(with_(sex=None, stage=None)).reason == (
        "the clinical record is not complete: sex and stage not recorded"
    )


def test_stages_are_grouped_as_in_the_subgroup_analysis() -> None:
    groups = {
        stage: with_(stage=stage).stage_group
        for stage in ("I", "IB", "IIA", "IIIA", "IIIC", "IV", None)
    }
    assert groups == {
        "I": StageGroup.EARLY, "IB": StageGroup.EARLY, "IIA": StageGroup.EARLY,
        "IIIA": StageGroup.ADVANCED, "IIIC": StageGroup.ADVANCED, "IV": None, None: None,
    }  # fmt: skip


@pytest.mark.parametrize("days", [0.0, -1.0, math.nan, math.inf])
def test_a_record_without_follow_up_cannot_exist(days: float) -> None:
    with pytest.raises(ValueError, match="survival time"):
        with_(survival_days=days)
