"""A cohort whose features are aligned with the training centre's by ComBat, and scored again by the
pinned model.

Only a validation that asks for it does this, and its report says so: what returned to the PACS, and
what the feature store holds, are the scores of the features as they were extracted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dicom_node.settings import SettingsError
from feature_store.wording import counted
from flows.data.model_features import stored_features
from flows.installation import Installation
from models.combined.combat import estimate_center_effect
from models.errors import CombatError
from validation_reports.cohort.scored_cohort import ScoredCohort


def with_aligned_features(work: Installation, cohort: ScoredCohort) -> ScoredCohort:
    """Return the cohort as the model scores it once the centre's effect is taken off its features.

    The effect is estimated from the features of exactly the cohort's patients; their outcomes are
    not looked at.

    Parameters
    ----------
    work : Installation
        Store and pinned model.
    cohort : ScoredCohort
        A centre's patients.

    Raises
    ------
    SettingsError
        If the settings do not allow it.
    CombatError
        If the bundle has no reference, features are missing, or there are too few patients.
    """
    chosen, bundle = work.settings.combat, work.bundle
    if not chosen.enabled:
        raise SettingsError(
            "ComBat was asked for, but is switched off: set enabled = true in the [combat] table "
            "of the settings file, or validate without it."
        )
    if bundle.combat is None:
        raise CombatError(
            f"The bundle of {bundle.facts.name} holds no ComBat reference: train it with enabled = "
            "true in the [combat] table of the settings file, or validate without ComBat."
        )
    table, keys = (
        stored_features(work, cohort.center, cohort.studies or None),
        list(cohort.patient_keys),
    )
    if absent := len(set(keys) - set(table.index)):
        raise CombatError(
            f"Centre {cohort.center} has no features by these settings of {absent} of "
            f"{counted(len(keys), 'patient')}, so ComBat cannot align them: score their studies "
            "again, or validate without ComBat."
        )
    shown = table.loc[keys]
    try:
        effect = estimate_center_effect(bundle.combat, shown, chosen.minimum_patients)
    except CombatError as error:
        raise CombatError(f"Centre {cohort.center}: {error}") from error
    aligned = effect.remove(shown)
    risks = bundle.model.score(aligned)
    scores = np.array([risk.linear_predictor for risk in risks])
    known = bundle.applicability
    sentence = (
        f"Aligned by ComBat with the {counted(bundle.combat.patients, 'training patient')} "
        f"({counted(len(bundle.combat.features), 'feature')}, training centre as reference): these "
        "are not the scores that were returned to the PACS."
    )
    return replace(
        cohort,
        linear_predictor=scores,
        high_risk=np.array([risk.high_risk for risk in risks]),
        predicted_survival={
            days: bundle.model.baseline.survival(days, scores) for days in cohort.predicted_survival
        },
        warnings={**cohort.warnings, sentence: cohort.n},
        signatures=bundle.model.signature_values(aligned).reset_index(drop=True),
        features=aligned[list(bundle.model.features)].reset_index(drop=True),
        in_range=None if known is None else known.inside(aligned),
        contours=None,
    )
