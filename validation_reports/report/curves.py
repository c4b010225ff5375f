"""Every survival curve of a report at every time, as one CSV: report and page keep long curves only
as finely as the eye sees them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from validation_reports.cohort.scored_cohort import ScoredCohort, pool
from validation_reports.report.validation_report import POOL_LABEL
from validation_reports.statistics.censoring import alive_on
from validation_reports.statistics.kaplan_meier import kaplan_meier
from validation_reports.statistics.subgroups import subgroup_masks

_COLUMNS = ("days", "survival", "lower", "upper", "at_risk", "deaths")


def curves_csv(cohorts: Sequence[ScoredCohort], horizons: Sequence[int]) -> str:
    """Return the Kaplan-Meier curves of the risk groups at every centre and in the plain pool, of
    all patients and of every subgroup.

    Parameters
    ----------
    cohorts : sequence of ScoredCohort
        One per centre.
    horizons : sequence of int
        Days of the report.

    Returns
    -------
    str
        Columns centre, subgroup and level (empty for all patients), group, days, survival with its
        pointwise interval, patients at risk, deaths.
    """
    pooled = [pool(cohorts, POOL_LABEL)] if len(cohorts) > 1 else []
    tables = [table for cohort in (*cohorts, *pooled) for table in _curves(cohort, horizons)]
    if not tables:
        tables = [pd.DataFrame(columns=["centre", "subgroup", "level", "group", *_COLUMNS])]
    return str(pd.concat(tables).to_csv(index=False, lineterminator="\n"))


def _curves(cohort: ScoredCohort, horizons: Sequence[int]) -> list[pd.DataFrame]:
    survival = alive_on(cohort.survival, horizons)
    parts = [("", "", np.ones(cohort.n, dtype=np.bool_))]
    parts += [
        (name, level, rows)
        for name, levels in subgroup_masks(cohort.covariates).items()
        for level, rows in levels.items()
    ]
    tables = []
    for name, level, rows in parts:
        for group, of_group in (("low risk", ~cohort.high_risk), ("high risk", cohort.high_risk)):
            if not (rows & of_group).any():
                continue
            curve = kaplan_meier(survival.subset(rows & of_group))
            table = pd.DataFrame({column: getattr(curve, column) for column in _COLUMNS})
            labels = {"centre": cohort.center, "subgroup": name, "level": level, "group": group}
            for place, (column, value) in enumerate(labels.items()):
                table.insert(place, column, value)
            tables.append(table)
    return tables
