"""The step of a training that looks at its features over perturbed contours, where that is asked
for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from dicom_node.registry.registry import StudyFiles
from feature_store.errors import StudyDefect
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.study_features import (
    ContourFeatures,
    load_study,
    measure_contours,
    perturbed_contours,
)
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.data.archived_study import read_archived
from flows.data.identity import chosen_gtv
from flows.installation import Installation
from flows.training.network import offered_regions
from flows.training.request import TrainingRequest
from models.combined.robustness import Robustness, measure_robustness
from models.network.deep_features import DeepFeatureExtractor
from models.network.weights import DEEP_COLUMNS, NetworkWeights

CONTOURS = 10
"""Of each patient, where the settings name no number: the patients are many."""


def studies_to_perturb(
    work: Installation, request: TrainingRequest, source: FeatureStore, patients: Collection[str]
) -> list[StudyFiles]:
    """Return the files of the studies that a training learns from; none where no robustness is
    asked for.

    Raises
    ------
    NodeError
        If a file is not in the archive any more.
    """
    if request.robust is None:
        return []
    identities, _ = source.deep_inputs(request.center)
    return [
        work.registry.outbox.files(identity.study_key, identity.content_digest)
        for identity in identities
        if identity.patient_key in patients
    ]


@task(name="measure robustness", cache_policy=NO_CACHE)
def robustness_of_training(
    work: Installation,
    request: TrainingRequest,
    studies: Sequence[StudyFiles],
    network: NetworkWeights,
) -> Robustness | None:
    """Measure every feature that may be selected over perturbed contours of the training patients;
    `None` where that is not asked for.
    """
    if request.robust is None:
        return None
    contours = work.settings.certainty.contours or CONTOURS
    radiomics = [
        f"{region}:{name}" for region in offered_regions(work, request) for name in FEATURE_NAMES
    ]
    found = measure_robustness(
        _features_over_contours(work, studies, network, contours, radiomics),
        (*radiomics, *DEEP_COLUMNS),
        request.robust,
        contours,
    )
    for block, (reach, offered) in found.counts().items():
        get_run_logger().info(
            "%s: %d of %s reached an intraclass correlation of %g over %s of %s.",
            block,
            reach,
            counted(offered, "feature"),
            found.threshold,
            counted(found.contours, "contour"),
            counted(found.n, "patient"),
        )
    return found


def _features_over_contours(
    work: Installation,
    studies: Sequence[StudyFiles],
    network: NetworkWeights,
    contours: int,
    columns: Sequence[str],
) -> Iterator[NDArray[np.float64] | None]:
    """Yield each patient's features by contour, as `measure_robustness` takes them."""
    extractor = DeepFeatureExtractor(network)
    settings, perturbation = work.settings.extraction(), work.settings.certainty.perturbation()
    overlapping = OverlappingContours(work.settings.features.overlapping_contours)
    for files in studies:
        pattern = work.center(files.center).gtv_pattern
        try:
            study = load_study(read_archived(files), pattern, overlapping, chosen_gtv(files))
            masks = perturbed_contours(
                study, settings, contours, files.content_digest, perturbation
            )
            measured = measure_contours(study, settings, masks, columns)
        except StudyDefect as defect:
            get_run_logger().warning("%s: %s", files.patient_key, defect)
            yield None
            continue
        whole = [one for one in measured if isinstance(one, ContourFeatures)]
        if len(whole) < contours:
            yield None
            continue
        radiomics = np.array([[one.values[name] for name in columns] for one in whole])
        deep = extractor.extract(np.stack([one.deep_input for one in whole]))
        yield np.hstack([radiomics, deep.astype(np.float64)])
