"""The cross-validation of a whole training, a network in each fold; it continues where it was
killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from feature_store.clinical_records import ClinicalRecord
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.data.eligible_patients import eligible_patients, survival_of
from flows.installation import Installation
from flows.runs.account import warn
from flows.training.network import network_training, telling, unfinished_file
from flows.training.request import TrainingRequest
from models.bundle.records import from_record, to_record
from models.combined.combined_model import BLOCKS, DEEP_BLOCK
from models.combined.cross_validation import (
    CrossValidation,
    FoldResult,
    NetworkOfFold,
    cross_validate,
)
from models.combined.sample_splitting import DeepFeatures
from models.combined.signature import block_columns
from models.durable_files import write_durably
from models.errors import TrainingError
from models.network.deep_features import DeepFeatureExtractor
from models.network.training import NetworkTraining, train_network
from models.survival.survival_data import Survival


@task(name="cross-validate", cache_policy=NO_CACHE)
def cross_validated(
    work: Installation,
    request: TrainingRequest,
    source: FeatureStore,
    records: dict[str, ClinicalRecord],
    features: pd.DataFrame,
) -> tuple[CrossValidation, ...]:
    """Cross-validate the whole training in the way that was asked for, and in the other way if that
    was; none where no folds were.
    """
    if not request.folds:
        return ()
    patients = eligible_patients(features, records)
    survival = survival_of(records, patients.index)
    identities, volumes = source.deep_inputs(request.center)
    place = {identity.patient_key: row for row, identity in enumerate(identities)}
    inputs = volumes[[place[str(key)] for key in patients.index]]
    epochs = request.fold_epochs or request.network_epochs
    training = network_training(work, request, epochs)
    ends = None if request.fold_hours is None else monotonic() + 3600 * request.fold_hours
    ways = [request.deep_features]
    if request.both_ways:
        ways += [way for way in DeepFeatures if way is not request.deep_features]
    found = []
    for way in ways:
        folds = _Folds(
            work, request, way, _fingerprint(request, training, way, patients, survival, inputs)
        )
        try:
            found.append(
                cross_validate(
                    patients,
                    survival,
                    folds=request.folds,
                    seed=request.seed,
                    network=folds.network(inputs, survival, training),
                    epochs=epochs,
                    way=way,
                    blocks=[
                        block
                        for block in BLOCKS
                        if block == DEEP_BLOCK or block_columns(patients, block).shape[1]
                    ],
                    settings=request.selection(),
                    choose_ring=request.chooses_ring,
                    done=folds.done(),
                    on_fold=folds.keep,
                    may_begin=lambda: ends is None or monotonic() < ends,
                )
            )
        except TrainingError as error:
            warn(str(error))
    return tuple(found)


class _Folds:
    """The folds of one cross-validation: their networks, and what is kept of those that are done.

    Parameters
    ----------
    work : Installation
        Where unfinished trainings are kept.
    request : TrainingRequest
        What was asked for.
    way : DeepFeatures
        Whose deep features.
    fingerprint : str
        Of all that the results depend on.
    """

    def __init__(
        self, work: Installation, request: TrainingRequest, way: DeepFeatures, fingerprint: str
    ) -> None:
        self._work, self._request, self._way = work, request, way
        self._fingerprint = fingerprint
        self._file = unfinished_file(work, request, f".folds-{way}.json")
        self._results: list[FoldResult] = []

    def _checkpoint(self, number: int) -> Path:
        return unfinished_file(self._work, self._request, f".folds-{self._way}-{number}.checkpoint")

    def done(self) -> Iterable[FoldResult]:
        """Return what an earlier run of the same has found."""
        try:
            kept = json.loads(self._file.read_bytes())
            if kept["fingerprint"] == self._fingerprint:
                self._results = [from_record(FoldResult, one) for one in kept["results"]]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            warn(
                f"The folds that are done cannot be read from {self._file.name} ({error}): they "
                "are run again."
            )
        return tuple(self._results)

    def keep(self, result: FoldResult) -> None:
        """Keep what a fold has found, and forget its network."""
        self._results.append(result)
        record = {
            "fingerprint": self._fingerprint,
            "results": [to_record(one) for one in self._results],
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(self._file, json.dumps(record, indent=1).encode())
        self._checkpoint(result.number).unlink(missing_ok=True)
        said = result.failure or f"C {result.concordance:.3f} in {counted(result.n, 'patient')}."
        get_run_logger().info(
            "Fold %d of %d, deep features %s: %s",
            result.number,
            self._request.folds,
            self._way,
            said,
        )

    def network(
        self, inputs: NDArray[np.float32], survival: Survival, training: NetworkTraining
    ) -> NetworkOfFold:
        """Return what trains a fold's network on some patients, and gives the deep features of
        all.
        """

        def deep_features(rows: NDArray[np.intp], number: int) -> NDArray[np.float32]:
            checkpoint = self._checkpoint(number)
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            weights = train_network(
                inputs[rows],
                survival.subset(rows),
                training,
                seed=self._request.seed + number,
                on_epoch=telling(f"Fold {number}, {self._way}: epoch", training.epochs, []),
                checkpoint=checkpoint,
            )
            return DeepFeatureExtractor(weights).extract(inputs)

        return deep_features


def _fingerprint(
    request: TrainingRequest,
    training: NetworkTraining,
    way: DeepFeatures,
    patients: pd.DataFrame,
    survival: Survival,
    inputs: NDArray[np.float32],
) -> str:
    settings = (request.seed, request.folds, request.selection(), request.ring, training, way)
    digest = hashlib.sha256(repr((settings, list(patients.index))).encode())
    for part in (patients.to_numpy(dtype=np.float64), survival.days, survival.event, inputs):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
