"""Scores of patients whose features were made elsewhere, by a model of radiomics alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.tables.store import ScoreRow
from feature_store.wording import counted
from flows.data.elsewhere import (
    imported_matrix,
    imported_of_center,
    refuse_unlike,
    said_with_score,
)
from flows.installation import Installation
from flows.software_version import software_version
from flows.studies.score_study import warnings_of_model
from models.errors import FeatureMismatchError

NO_CONTOUR = 0
"""Stands for the ROI Number, which no table tells."""


def unscored(work: Installation, center: str) -> tuple[ImportedFeatures, ...]:
    """Return the imported features of a centre that the pinned model has not scored."""
    done = {row.identity for row in work.store.scores(work.bundle.digest, center)}
    return tuple(one for one in imported_of_center(work.store, center) if one.identity not in done)


@task(name="score imported features", cache_policy=NO_CACHE)
def score_imported(work: Installation, center: str) -> tuple[int, tuple[str, ...]]:
    """Score the imported features of an external centre that were not scored by the pinned model.

    Returns
    -------
    int
        How many patients were scored.
    tuple of str
        Why others cannot be, a sentence each.
    """
    bundle = work.bundle
    waiting = unscored(work, center)
    refusals: Counter[str] = Counter()
    scores = []
    allowed: dict[str, bool] = {}
    for one in waiting:
        if one.settings.digest not in allowed:
            try:
                refuse_unlike(bundle, one.settings)
                allowed[one.settings.digest] = True
            except FeatureMismatchError as error:
                refusals[str(error)] += 0
                allowed[one.settings.digest] = False
        if not allowed[one.settings.digest]:
            continue
        table = imported_matrix([one])
        if lacking := [name for name in bundle.model.features if name not in table]:
            refusals[
                f"Of the {counted(len(bundle.model.features), 'feature')} that the model "
                f"{bundle.facts.name} reads, imported tables of centre {center} lack "
                f"{len(lacking)}, such as {lacking[0]}: import tables that have them."
            ] += 1
            continue
        (risk,) = bundle.model.score(table)
        scores.append(
            ScoreRow(
                identity=one.identity,
                model_digest=bundle.digest,
                linear_predictor=risk.linear_predictor,
                high_risk=risk.high_risk,
                survival=risk.survival,
                roi_number=NO_CONTOUR,
                warnings=(
                    *said_with_score(bundle, one.settings),
                    *warnings_of_model(bundle, table, one.marks),
                ),
                software_version=software_version(),
                scored_at=datetime.now(UTC),
            )
        )
    work.store.put_scores(scores)
    return len(scores), tuple(refusals)
