"""The step of a training that takes hours: the network, which continues where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from feature_store.clinical_records import ClinicalRecord
from feature_store.imaging.regions import Region
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.data.eligible_patients import survival_of
from flows.installation import Installation
from flows.training.request import TrainingRequest
from models.combined.sample_splitting import DeepFeatures, split_learners
from models.errors import TrainingError
from models.network.checkpoint import Epoch
from models.network.deep_features import DeepFeatureExtractor
from models.network.training import NetworkTraining, split_patients, train_network
from models.network.weights import NetworkWeights


@dataclass(frozen=True, eq=False)
class TaughtNetwork:
    """A network, and who taught it.

    Parameters
    ----------
    network : NetworkWeights
        The weights.
    curve : tuple of Epoch
        Its epochs.
    learners : frozenset of str
        Keys of the patients that it was given, those who said when to stop among them.
    unseen : frozenset of str
        Keys of those whose outcome changed no weight.
    apart : bool
        Whether the combined model must learn from others.
    """

    network: NetworkWeights
    curve: tuple[Epoch, ...]
    learners: frozenset[str]
    unseen: frozenset[str]
    apart: bool

    def left_for_model(self, records: Mapping[str, ClinicalRecord]) -> dict[str, ClinicalRecord]:
        """Return the records of the patients that signatures and Cox model may learn from."""
        return {
            key: record
            for key, record in records.items()
            if not (self.apart and key in self.learners)
        }


def unfinished_file(work: Installation, request: TrainingRequest, ending: str) -> Path:
    """Return where something of an unfinished training is kept."""
    kind = "se" if request.squeeze_excitation else "no-se"
    return work.settings.node.folder / "training" / f"{request.center}-{kind}{ending}"


def remove_unfinished(work: Installation, request: TrainingRequest) -> None:
    """Remove what a training kept in case it would be killed."""
    whole = unfinished_file(work, request, ".checkpoint")
    for path in (whole, *whole.parent.glob(f"{whole.stem}.folds*")):
        path.unlink(missing_ok=True)


def offered_regions(work: Installation, request: TrainingRequest) -> list[Region]:
    """Return the regions whose radiomics the model may read: GTV and the paper's ring, or every
    ring that the settings name, of which the best is chosen.

    Raises
    ------
    TrainingError
        If a ring is to be chosen and the settings name one only.
    """
    if not request.chooses_ring:
        return [Region.GTV, Region.RING_6MM]
    widths = work.settings.features.ring_widths_mm
    if len(widths) < 2:
        raise TrainingError(
            f"The settings name {counted(len(widths), 'ring')}, expected at least 2 "
            "to choose the best among: set ring_widths_mm = [3, 6, 9] in the [features] table and "
            "extract the studies again, or train with --ring 6mm."
        )
    return [Region.GTV, *(Region.ring(width) for width in widths)]


def network_training(work: Installation, request: TrainingRequest, epochs: int) -> NetworkTraining:
    """Return how a network is trained that was asked for."""
    return NetworkTraining(
        epochs=epochs,
        squeeze_excitation=request.squeeze_excitation,
        augmentation=work.settings.augmentation.ranges(),
    )


def telling(what: str, epochs: int, heard: list[Epoch]) -> Callable[[Epoch], None]:
    """Return what logs each epoch, as `what` calls it, and adds it to those heard."""
    logger = get_run_logger()

    def tell(epoch: Epoch) -> None:
        heard.append(epoch)
        logger.info("%s %d of at most %d: loss %.4f.", what, epoch.number, epochs, epoch.loss)

    return tell


@task(name="train network", cache_policy=NO_CACHE)
def train_deep_features(
    work: Installation,
    request: TrainingRequest,
    source: FeatureStore,
    records: dict[str, ClinicalRecord],
) -> TaughtNetwork:
    """Train the network on the centre's GTV regions and keep the deep features of all its
    patients.
    """
    identities, inputs = source.deep_inputs(request.center)
    used = [row for row, identity in enumerate(identities) if identity.patient_key in records]
    survival = survival_of(records, [identities[row].patient_key for row in used])
    chosen = split_learners(survival, request.deep_features, request.seed).of_network
    rows = [used[place] for place in chosen]
    curve: list[Epoch] = []
    checkpoint = unfinished_file(work, request, ".checkpoint")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    training = network_training(work, request, request.network_epochs)
    network = train_network(
        inputs[rows],
        survival.subset(chosen),
        training,
        seed=request.seed,
        on_epoch=telling("Epoch", request.network_epochs, curve),
        checkpoint=checkpoint,
    )
    deep: NDArray[np.float32] = DeepFeatureExtractor(network).extract(inputs)
    for identity, features in zip(identities, deep, strict=True):
        work.store.put_deep(identity, features, network.digest)
    learning, _ = split_patients(survival.subset(chosen), training.held_out, request.seed)
    taught = {identities[rows[place]].patient_key for place in learning}
    return TaughtNetwork(
        network,
        tuple(curve),
        frozenset(identities[row].patient_key for row in rows),
        frozenset(identities[row].patient_key for row in used) - taught,
        request.deep_features is DeepFeatures.HELD_OUT,
    )
