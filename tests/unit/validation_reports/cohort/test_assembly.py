"""A cohort says whom it leaves out, and predicts no further than the model was followed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.tables.store import ScoreRow, StudyIdentity
from feature_store.tables.study_order import StudyOrder
from models.survival.baseline_hazard import BaselineHazard
from validation_reports.cohort.assembly import (
    CT_AFTER_START,
    FIRST_CT,
    FIRST_READ,
    assemble_cohort,
)
from validation_reports.cohort.selection import OUTSIDE, CohortSelection
from validation_reports.cohort.trained_on import Leak
from validation_reports.errors import CohortError

RECORD = ClinicalRecord("p1", "B", 64, Sex.FEMALE, Histology.ADENOCARCINOMA, "IIIA", 400, True)


SCORE = ScoreRow(
    StudyIdentity("B", "p1", "s1", "c1"),
    "m" * 64,
    0.3,
    True,
    {365: 0.7},
    1,
    (),
    "1",
    datetime(2026, 3, 5, tzinfo=UTC),
)


def test_the_cohort_names_whom_the_selection_leaves_out() -> None:
    other = replace(RECORD, patient_key="p2", sex=Sex.MALE)
    score = replace(SCORE, identity=StudyIdentity("B", "p2", "s2", "c2"))
    men = CohortSelection(sexes=frozenset({Sex.MALE}))
    cohort = assemble_cohort("B", [SCORE, score], [RECORD, other], {}, [365], selection=men)
    assert cohort.patient_keys == ("p2",)
    assert dict(cohort.excluded) == {"p1": f"{OUTSIDE}: sex is female"}


def test_another_horizon_comes_from_the_baseline_hazard() -> None:
    baseline = BaselineHazard(np.array([100.0, 200.0]), np.array([0.1, 0.5]), 300.0)
    cohort = assemble_cohort("B", [SCORE], [RECORD], {}, [250, 365], baseline)
    assert cohort.predicted_survival[250][0] == pytest.approx(np.exp(-0.5 * np.exp(0.3)), rel=1e-12)
    assert cohort.predicted_survival[365][0] == 0.7


def test_a_horizon_beyond_the_model_is_refused() -> None:
    baseline = BaselineHazard(np.array([100.0]), np.array([0.1]), 300.0)
    with pytest.raises(
        CohortError,
        match=r"no survival at 301 days: it was frozen for 365 days, and its .* 300 days",
    ):
        assemble_cohort("B", [SCORE], [RECORD], {}, [301], baseline)
    with pytest.raises(CohortError, match="no survival at 30 days"):
        assemble_cohort("B", [SCORE], [RECORD], {}, [30])


def test_who_lacks_sex_or_stage_is_analysed() -> None:
    unknown = replace(RECORD, sex=None, stage=None)
    cohort = assemble_cohort("B", [SCORE], [unknown], {}, [365])
    assert (cohort.patient_keys, cohort.excluded) == (("p1",), ())


def _second_ct() -> tuple[StudyIdentity, ScoreRow]:
    other = StudyIdentity("B", "p1", "s0", "c0")
    return other, replace(
        SCORE, identity=other, linear_predictor=-2.0, scored_at=datetime(2026, 3, 1, tzinfo=UTC)
    )


def test_the_ct_that_was_acquired_first_counts_in_whatever_order_it_was_scored() -> None:
    other, second = _second_ct()
    order = StudyOrder(acquired_s={SCORE.identity: 1000, other: 1000 + 40 * 86400})
    for scores in ([SCORE, second], [second, replace(SCORE, scored_at=second.scored_at)]):
        cohort = assemble_cohort("B", scores, [RECORD], {}, [365], order=order)
        assert cohort.linear_predictor.tolist() == [0.3]
        assert cohort.studies == (SCORE.identity,)
        assert cohort.warnings == {FIRST_CT: 1}


def test_where_the_order_is_not_known_it_is_said() -> None:
    other, second = _second_ct()
    order = StudyOrder(acquired_s={other: 5})
    cohort = assemble_cohort("B", [SCORE, second], [RECORD], {}, [365], order=order)
    assert cohort.studies == (other,)
    assert cohort.warnings == {FIRST_READ: 1}


def test_a_ct_after_the_start_of_radiotherapy_is_told() -> None:
    start = 20_000_000
    treated = replace(RECORD, treatment_start_s=start)
    for acquired, told in ((start - 10 * 86400, {}), (start + 86400, {CT_AFTER_START: 1})):
        order = StudyOrder(acquired_s={SCORE.identity: acquired})
        cohort = assemble_cohort("B", [SCORE], [treated], {}, [365], order=order)
        assert cohort.warnings == told


def test_whoever_is_refused_is_named_with_the_reason() -> None:
    other = replace(RECORD, patient_key="p2")
    score = replace(SCORE, identity=StudyIdentity("B", "p2", "s2", "c2"))
    cohort = assemble_cohort(
        "B",
        [SCORE, score],
        [RECORD, other],
        {},
        [365],
        refused={"p1": Leak.IMAGES},
        warnings={"told": {"p1", "p2"}},
    )
    assert cohort.patient_keys == ("p2",)
    assert dict(cohort.excluded) == {"p1": Leak.IMAGES}
    assert cohort.warnings == {"told": 1}


def test_a_table_of_which_nobody_has_arrived_is_told_how_identifiers_differ() -> None:
    other = replace(RECORD, patient_key="p2")
    with pytest.raises(CohortError, match=r"may write Patient IDs otherwise .* --check` tells\.$"):
        assemble_cohort("B", [SCORE], [other], {}, [365], unfinished={})
    with pytest.raises(CohortError, match=r"Push its studies, import its clinical table"):
        assemble_cohort("B", [SCORE], [], {}, [365], unfinished={})
