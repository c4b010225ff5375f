"""Trains the 3D-SE-ResNet on the tumours and outcomes of one centre (paper, 'Deep learning
network').

A part of the patients, drawn so that deaths and censored patients are shared evenly, is held out:
training stops when their loss has not fallen for `patience` epochs, and the weights of the best
epoch are kept.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import NotConvergedError, TrainingError
from models.network.augmentation import Augmentation, augmented_batch
from models.network.checkpoint import Checkpoint, Epoch, assign, read_checkpoint, values_of
from models.network.weights import NetworkWeights, checked_inputs
from models.survival.survival_data import Survival
from models.wording import counted

__all__ = ["Epoch", "NetworkTraining", "split_patients", "train_network"]

CHECKPOINT_EVERY_S = 600.0
"""What a training that is killed has to do again, at most, where its epochs are short."""
_LOG = logging.getLogger(__name__)
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class NetworkTraining:
    """How the network is trained; the defaults are the paper's.

    Parameters
    ----------
    epochs : int
        Passes over the training patients, at most.
    batch : int
        Patients per step; risk sets are taken within it.
    learning_rate, decay, decay_steps : float, float, int
        Adam's step, multiplied by `decay` once every `decay_steps` steps, smoothly.
    patience : int
        Epochs without a lower held-out loss after which training stops.
    held_out : float
        Share of the patients that decides when to stop; 0 trains on all for all epochs.
    squeeze_excitation : bool
        `False` trains the ablation without SE modules.
    mixed_precision : bool
        On a GPU, compute in half precision with weights in full; on a CPU this changes nothing.
    augmentation : Augmentation
        Random changes of the images.

    Raises
    ------
    TrainingError
        If a setting is outside its range.
    """

    epochs: int = 100
    batch: int = 32
    learning_rate: float = 1e-4
    decay: float = 0.96
    decay_steps: int = 1000
    patience: int = 15
    held_out: float = 0.2
    squeeze_excitation: bool = True
    mixed_precision: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 2), ("decay_steps", 1), ("patience", 1)):
            if getattr(self, name) < least:
                raise TrainingError(
                    f"The network training's {name} is {getattr(self, name)}: use at least {least}."
                )
        if not (self.learning_rate > 0 and 0 < self.decay <= 1):
            raise TrainingError(
                f"The learning rate {self.learning_rate} or its decay {self.decay} is out of "
                "range: use a rate above 0 and a decay above 0 and up to 1."
            )
        if not 0 <= self.held_out < 1:
            raise TrainingError(
                f"The held-out share is {self.held_out}: use 0 or more, and less than 1."
            )


def train_network(
    inputs: ArrayLike,
    survival: Survival,
    training: NetworkTraining | None = None,
    *,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: Path | None = None,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> NetworkWeights:
    """Train the network; on CPUs with as many cores the same seed gives the same weights, bit by
    bit.

    Sets the process-wide random seeds and TensorFlow's determinism, so train in a process of its
    own.

    Parameters
    ----------
    inputs : array_like of float32, shape (n, 64, 64, 64)
        GTV regions, resized and z-scored.
    survival : Survival
        Follow-up of the same patients in the same order.
    training : NetworkTraining, optional
        Default is the paper's.
    seed : int
        Seed of weights, dropout, held-out patients and order.
    on_epoch : callable, optional
        Called after each epoch with an `Epoch`; of a training that continues, first with those that
        were done.
    checkpoint : Path, optional
        File that is written after epochs. Where it is of the same data, settings and seed, training
        continues from it and ends with the weights of a training that was never interrupted.
    checkpoint_every_s : float
        Seconds between two writes, at least; the last epoch is always written.

    Returns
    -------
    NetworkWeights

    Raises
    ------
    TrainingError
        If there are too few patients or deaths.
    FeatureMismatchError
        If an input has another shape or is not finite.
    NotConvergedError
        If the loss stops being a number.
    """
    chosen = training or NetworkTraining()
    volumes = checked_inputs(inputs)
    if volumes.shape[0] != survival.n:
        raise TrainingError(
            f"There are {counted(volumes.shape[0], 'network input')} and "
            f"{counted(survival.n, 'outcome')}: give both for the same patients."
        )
    split = split_patients(survival, chosen.held_out, seed)
    # Imports TensorFlow
    from models.network.backend import BACKEND, gpu_is_there, precision_policy  # noqa: PLC0415

    policy = precision_policy(mixed=chosen.mixed_precision, gpu=gpu_is_there())
    _LOG.info("The network is trained in %s on %s.", policy, BACKEND)
    outcome = np.column_stack([survival.days, survival.event]).astype(np.float32)
    digest = hashlib.sha256(repr((chosen, seed, volumes.shape, BACKEND, policy)).encode())
    digest.update(volumes.tobytes())
    digest.update(outcome.tobytes())
    memory = _Memory(checkpoint, digest.hexdigest(), checkpoint_every_s)
    volumes = volumes[..., np.newaxis]
    return _fit(
        volumes, outcome, split, chosen, seed=seed, policy=policy, on_epoch=on_epoch, memory=memory
    )


def split_patients(
    survival: Survival, held_out: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the patients that decide when to stop, in equal shares of deaths and of censored
    patients.

    Parameters
    ----------
    survival : Survival
        The cohort.
    held_out : float
        Share to hold out.
    seed : int
        Seed of the draw.

    Returns
    -------
    learning, held_out : ndarray of int
        Positions, ascending.

    Raises
    ------
    TrainingError
        If either part has fewer than two deaths.
    """
    random = np.random.default_rng(seed)
    groups = (np.flatnonzero(survival.event), np.flatnonzero(~survival.event))
    parts = [random.permutation(group)[: round(held_out * group.size)] for group in groups]
    outside = np.sort(np.concatenate(parts)).astype(np.intp)
    inside = np.setdiff1d(np.arange(survival.n), outside).astype(np.intp)
    for rows, what in ((inside, "train"), (outside, "be held out")):
        deaths = int(survival.event[rows].sum())
        if deaths < 2 and (what == "train" or held_out > 0):
            raise TrainingError(
                f"Of {counted(survival.n, 'patient')}, {rows.size} would {what}, {deaths} of whom "
                "died: the loss compares deaths with each other, so at least two are needed; use a "
                "larger cohort."
            )
    return inside, outside


class _Memory:
    """Where the checkpoint of this training is kept, if anywhere: 236 MB, so not after every
    epoch.
    """

    def __init__(self, path: Path | None, fingerprint: str, every_s: float) -> None:
        self._path, self._fingerprint, self._every_s = path, fingerprint, every_s
        self._kept_at = time.monotonic()

    def recall(self) -> Checkpoint | None:
        return None if self._path is None else read_checkpoint(self._path, self._fingerprint)

    def keep(
        self, curve: list[Epoch], network: Any, best: NetworkWeights, *, is_last: bool
    ) -> None:
        if self._path is None or not (is_last or time.monotonic() - self._kept_at >= self._every_s):
            return
        variables, optimizer = values_of(network.variables), values_of(network.optimizer.variables)
        Checkpoint(self._fingerprint, tuple(curve), variables, optimizer, best.arrays).write(
            self._path
        )
        self._kept_at = time.monotonic()


def _fit(
    volumes: NDArray[np.float32],
    outcome: NDArray[np.float32],
    split: tuple[NDArray[np.intp], NDArray[np.intp]],
    training: NetworkTraining,
    *,
    seed: int,
    policy: str,
    on_epoch: Callable[[Epoch], None] | None,
    memory: _Memory,
) -> NetworkWeights:
    from models.network.se_resnet import network_weights  # noqa: PLC0415 - imports TensorFlow

    learning, held_out = split
    network = _compiled(training, seed, policy)
    curve: list[Epoch] = []
    best: NetworkWeights | None = None
    if (done := memory.recall()) is not None:
        assign(network.variables, done.variables)
        assign(network.optimizer.variables, done.optimizer)
        best = NetworkWeights(done.best, training.squeeze_excitation)
        _LOG.info("Training continues after epoch %d.", done.curve[-1].number)
        for epoch in done.curve:
            curve.append(epoch)
            if on_epoch is not None:
                on_epoch(epoch)
    while not _is_over(curve, training):
        number = len(curve) + 1
        order = np.random.default_rng((seed, number)).permutation(learning)
        losses = []
        batches = _batches(order, outcome[:, 1], training.batch)
        made = partial(
            augmented_batch, volumes, ranges=training.augmentation, seed=seed, epoch=number
        )
        for rows, images in zip(batches, one_ahead(made, batches), strict=True):
            network.reset_metrics()  # otherwise Keras answers with the mean of all batches so far
            losses.append(float(network.train_on_batch(images, outcome[rows])))
        loss = float(np.mean(losses))
        watched = _held_out_loss(network, volumes, outcome, held_out) if held_out.size else None
        if not np.isfinite(loss) or (watched is not None and not np.isfinite(watched)):
            raise NotConvergedError(
                f"The network's loss is no number in epoch {number}: use a smaller learning rate."
            )
        earlier = [epoch.held_out_loss for epoch in curve if epoch.held_out_loss is not None]
        improved = watched is None or watched < min(earlier, default=np.inf)
        if improved or best is None:
            best = network_weights(network, squeeze_excitation=training.squeeze_excitation)
        curve.append(Epoch(number, loss, watched, improved))
        _LOG.info(
            "Network epoch %d of %d: loss %.4f, held out %s.",
            number,
            training.epochs,
            loss,
            watched,
        )
        memory.keep(curve, network, best, is_last=_is_over(curve, training))
        if on_epoch is not None:
            on_epoch(curve[-1])
    if best is None:
        raise NotConvergedError(
            "No epoch of the network's training gave a usable loss: use a smaller learning rate."
        )
    return best


def _compiled(training: NetworkTraining, seed: int, policy: str) -> Any:
    """Build the network with every variable of its optimiser."""
    # These import TensorFlow.
    from models.network.backend import keras, make_deterministic, precision  # noqa: PLC0415
    from models.network.cox_loss import negative_cox_log_likelihood  # noqa: PLC0415
    from models.network.se_resnet import build_se_resnet  # noqa: PLC0415

    keras.backend.clear_session()
    make_deterministic(seed)
    with precision(policy):
        network = build_se_resnet(squeeze_excitation=training.squeeze_excitation)
    schedule = keras.optimizers.schedules.ExponentialDecay(
        training.learning_rate, training.decay_steps, training.decay
    )
    network.compile(
        keras.optimizers.Adam(schedule), loss=negative_cox_log_likelihood, jit_compile=False
    )
    network.optimizer.build(network.trainable_variables)
    return network


def _is_over(curve: list[Epoch], training: NetworkTraining) -> bool:
    return len(curve) >= training.epochs or _epochs_since_best(curve) >= training.patience


def _epochs_since_best(curve: list[Epoch]) -> int:
    return next((age for age, epoch in enumerate(reversed(curve)) if epoch.best), len(curve))


def _batches(
    order: NDArray[np.intp], event: NDArray[np.float32], size: int
) -> list[NDArray[np.intp]]:
    """Cut the order into batches of near-equal size; one without a death teaches nothing and is
    left out.
    """
    parts = np.array_split(order, max(1, -(-order.size // size)))
    return [rows for rows in parts if event[rows].sum() > 0]


def one_ahead(make: Callable[[_Item], _Made], items: Iterable[_Item]) -> Iterator[_Made]:
    """Yield what is made of each item, in order; the next is made while the last is used, so that a
    GPU does not wait for it.
    """
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming: deque[Future[_Made]] = deque()
        for item in items:
            coming.append(worker.submit(make, item))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _held_out_loss(
    network: Any, volumes: NDArray[np.float32], outcome: NDArray[np.float32], rows: NDArray[np.intp]
) -> float:
    from models.network.backend import numpy_of  # noqa: PLC0415

    # Imports TensorFlow
    from models.network.cox_loss import negative_cox_log_likelihood  # noqa: PLC0415

    predicted = np.concatenate(
        [np.asarray(network.predict_on_batch(volumes[part])) for part in _chunks(rows, 16)]
    )
    return float(numpy_of(negative_cox_log_likelihood(outcome[rows], predicted)))


def _chunks(rows: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    return [rows[start : start + size] for start in range(0, rows.size, size)]
