"""A cohort says whom it leaves out, and predicts no further than the model was followed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.tables.store import ScoreRow, StudyIdentity
from models.survival.baseline_hazard import BaselineHazard
from validation_reports.cohort.assembly import assemble_cohort
from validation_reports.cohort.selection import OUTSIDE, CohortSelection
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
