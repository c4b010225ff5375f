"""The flow `compare-models`: two bundles on the same patients, as for the network with and without
its SE modules.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from feature_store.expectations.follow_up_facts import follow_up_facts
from feature_store.wording import counted
from flows.data.eligible_patients import analysable_records, eligible_records, survival_of
from flows.data.follow_up import refuse_follow_up
from flows.data.model_features import recomputed_features
from flows.data.replaced import note_replaced
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.runs.account import about, warn
from flows.runs.parameters import Centers
from models.bundle.frozen_bundle import FrozenBundle, load, read_digest
from models.combined.combined_model import DEEP_BLOCK, HORIZONS
from models.errors import FeatureMismatchError
from models.survival.survival_data import Survival
from validation_reports.cohort.same_images import same_images
from validation_reports.cohort.trained_on import TrainedOn
from validation_reports.disclosure.roc_points import comparison_that_leaves
from validation_reports.disclosure.what_leaves import Disclosure
from validation_reports.page.comparison_plots import roc_plot
from validation_reports.report.model_comparison import (
    ScoreComparison,
    compare_scores,
    comparison_lines,
    comparisons_to_json,
)

COMBINED, DEEP = "combined model", "deep signature"
TOGETHER = "external centres together"


class ComparisonRequest(BaseModel):
    """Which bundles, on whom, and where the plots go."""

    model_config = ConfigDict(extra="forbid")

    first: Path = Field(description="Folder of one bundle.")
    second: Path = Field(description="Folder of the other.")
    centers: Centers = Field(min_length=1, description="Centres, as the settings file names them.")
    folder: Path = Field(description="Folder for the ROC curves and the numbers.")


@refusable_flow(name="compare-models", flow_run_name="{request.folder.name}")
def compare_models(request: ComparisonRequest) -> State[None]:
    """Compare two bundles by Harrell's C and time-dependent ROC curves; nothing is scored or sent.

    Parameters
    ----------
    request : ComparisonRequest
        Bundles, centres, folder.
    """
    work = installation()
    note_replaced(work)
    engine = work.settings.model.engine
    bundles = tuple(
        load(path, read_digest(path), engine) for path in (request.first, request.second)
    )
    for bundle in bundles:
        bundle.check_extraction(work.settings.extraction().digest)
    names = [work.center(name).name for name in dict.fromkeys(request.centers)]
    about(*names)
    both = (bundles[0], bundles[1])
    refused = not_to_compare_on(work, both, names)
    for center, reasons in refused.items():
        for reason, n in sorted(Counter(reasons.values()).items()):
            warn(f"{counted(n, 'patient')} of centre {center} left out: {reason}.")
    found = compare_on(work, both, names, refused)
    if Disclosure(work.settings.validation.disclose) is Disclosure.SAFE:
        found = [comparison_that_leaves(one) for one in found]
    request.folder.mkdir(parents=True, exist_ok=True)
    (request.folder / "comparison.json").write_text(comparisons_to_json(found), encoding="utf-8")
    for one in found:
        name = re.sub(r"[^A-Za-z0-9_]+", "-", f"roc-{one.score}-{one.cohort}").strip("-")
        (request.folder / f"{name}.svg").write_text(roc_plot(one), encoding="utf-8")
    return Completed(message="\n".join(line for one in found for line in comparison_lines(one)))


def not_to_compare_on(
    work: Installation, bundles: tuple[FrozenBundle, FrozenBundle], centers: list[str]
) -> dict[str, dict[str, str]]:
    """Return for each external centre of whom a validation would not take, by patient key why: the
    images trained one of the models, or are at a centre before it too.
    """
    marks, replaced = work.store.images(None), work.store.replaced(None)
    training = {bundle.facts.training_center for bundle in bundles}
    external = [center for center in centers if center not in training]
    here = {
        center: [one for one in marks if one.center == center and one not in replaced]
        for center in external
    }
    refused: dict[str, dict[str, str]] = {center: {} for center in external}
    for bundle in bundles:
        of_training = {
            one: mark for one, mark in marks.items() if one.center == bundle.facts.training_center
        }
        trained = TrainedOn(bundle.digests, bundle.evidence.images, of_training)
        for center, found in same_images(external, here, marks, trained).items():
            refused[center] |= found.refused
    return refused


def compare_on(
    work: Installation,
    bundles: tuple[FrozenBundle, FrozenBundle],
    centers: list[str],
    refused: Mapping[str, Collection[str]],
) -> list[ScoreComparison]:
    """Compare the combined models, and the deep signatures where both have one, on each centre and
    all external ones, without the patients refused there.

    Raises
    ------
    FeatureMismatchError
        If a centre has no patient with outcome and with the features of both models.
    ClinicalTableError
        If the follow-up of a centre cannot be days.
    """
    scored = {
        center: scores_of(work, bundles, center, refused.get(center, ())) for center in centers
    }
    training = {bundle.facts.training_center for bundle in bundles}
    external = [center for center in centers if center not in training]
    cohorts = [
        (f"{center} (training centre)" if center in training else center, *scored[center])
        for center in centers
    ]
    if len(external) > 1:
        survivals = [scored[center][0] for center in external]
        pooled = Survival(
            np.concatenate([part.days for part in survivals]),
            np.concatenate([part.event for part in survivals]),
        )
        cohorts.append(
            (
                TOGETHER,
                pooled,
                pd.concat([scored[center][1] for center in external], ignore_index=True),
            )
        )
    horizons = sorted(set(bundles[0].model.horizons) & set(bundles[1].model.horizons))
    models = names_of(bundles)
    return [
        compare_scores(
            survival,
            (table[score, 0], table[score, 1]),
            cohort=label,
            score=score,
            models=models,
            horizons=horizons,
        )
        for label, survival, table in cohorts
        for score in dict.fromkeys(table.columns.get_level_values(0))
    ]


def scores_of(
    work: Installation,
    bundles: tuple[FrozenBundle, FrozenBundle],
    center: str,
    refused: Collection[str] = (),
) -> tuple[Survival, pd.DataFrame]:
    """Return outcome and scores of a centre's patients but those refused, columns (score, 0 or 1
    for the bundle); of a centre that trained one of them those who could, of others all that a
    validation takes.
    """
    if whole := work.store.clinical(center):
        refuse_follow_up(center, whole, follow_up_facts(whole, min(HORIZONS)))
    trained = center in {bundle.facts.training_center for bundle in bundles}
    records = (eligible_records if trained else analysable_records)(work.store, center)
    tables = [recomputed_features(work, bundle, center) for bundle in bundles]
    keys = sorted((set(records) & set(tables[0].index) & set(tables[1].index)) - set(refused))
    if not keys:
        raise FeatureMismatchError(
            f"Centre {center} has {counted(len(records), 'eligible clinical record')}, but no "
            "patient with the features of both models whom neither has seen: push its studies and "
            "import its clinical table first."
        )
    scores = {}
    both_deep = all(DEEP_BLOCK in bundle.model.blocks for bundle in bundles)
    for position, (bundle, table) in enumerate(zip(bundles, tables, strict=True)):
        chosen = table.loc[keys]
        scores[COMBINED, position] = bundle.model.linear_predictor(chosen)
        if both_deep:
            scores[DEEP, position] = bundle.model.signature_values(chosen)[DEEP_BLOCK].to_numpy()
    return survival_of(records, keys), pd.DataFrame(scores)


def names_of(bundles: tuple[FrozenBundle, FrozenBundle]) -> tuple[str, str]:
    """Name two bundles by what tells them apart: the SE modules, else name and version, else the
    digest.
    """
    kinds = [
        None if bundle.network is None else bundle.network.squeeze_excitation for bundle in bundles
    ]
    if set(kinds) == {True, False}:
        first, second = ("3D-SE-ResNet" if kind else "3D-ResNet without SE" for kind in kinds)
        return first, second
    names = [f"{bundle.facts.name} {bundle.facts.version}" for bundle in bundles]
    if names[0] == names[1]:
        names = [
            f"{name}, {bundle.digest[:8]}" for name, bundle in zip(names, bundles, strict=True)
        ]
    return names[0], names[1]
