"""Whether the follow-up of a centre's clinical table can be days: judged at the import, and again
before anything is concluded from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dicom_node.settings import SettingsError
from feature_store.clinical_records import ClinicalRecord, ClinicalTableError
from feature_store.expectations.follow_up_facts import FollowUpFacts, follow_up_facts
from feature_store.expectations.follow_up_rules import FOLLOW_UP_RULES, confirmed
from feature_store.rules import Severity, unmet
from flows.installation import Installation
from models.combined.combined_model import HORIZONS, CombinedModel
from models.errors import ModelError


def center_follow_up_facts(
    work: Installation, records: Sequence[ClinicalRecord], lost_rows: int = 0
) -> FollowUpFacts:
    """Collect the facts of a centre's follow-up, compared with the training cohort's where a model
    is pinned.

    Parameters
    ----------
    work : Installation
        Its pinned bundle tells how long the training cohort lived.
    records : sequence of ClinicalRecord
        All that is known of one centre.
    lost_rows : int
        Rows of its table that made no record.
    """
    try:
        model = work.bundle.model
    except (SettingsError, ModelError):  # a table may come before the model
        return follow_up_facts(records, min(HORIZONS), lost_rows=lost_rows)
    expected = expected_deaths(model, records)
    return follow_up_facts(records, min(model.horizons), expected, lost_rows)


def expected_deaths(model: CombinedModel, records: Sequence[ClinicalRecord]) -> float:
    """Return the deaths that patients of average risk in the training cohort would have in the same
    follow-up: the sum of their cumulative hazard, which goes on with its mean slope after the
    longest follow-up in training.
    """
    days = np.array([record.survival_days for record in records], dtype=np.float64)
    known = np.minimum(days, model.baseline.last_day)
    return float(np.sum(model.baseline.at(known) * days / known))


def refuse_follow_up(center: str, records: Sequence[ClinicalRecord], facts: FollowUpFacts) -> None:
    """Refuse a centre whose kept follow-up cannot be days and was not confirmed at its import.

    Parameters
    ----------
    center : str
        The centre.
    records : sequence of ClinicalRecord
        Its clinical table.
    facts : FollowUpFacts
        The facts of its follow-up.

    Raises
    ------
    ClinicalTableError
        With the sentence of each rule that is not met.
    """
    codes = {code for record in records for code in record.confirmed}
    found = confirmed(unmet(FOLLOW_UP_RULES, facts), codes)
    sentence = " ".join(one.sentence for one in found if one.severity is Severity.CRITICAL)
    if sentence:
        raise ClinicalTableError(
            f"The clinical table of centre {center} cannot be used: {sentence}"
        )
