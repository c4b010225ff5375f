"""The one door to Keras: quiet, on the chosen backend, and imported only by modules that need the
network.

Importing this module imports the backend, TensorFlow by default, which takes seconds.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models.network.backend_name import VARIABLE, chosen_backend

# These are read once, while TensorFlow and Keras are imported.
os.environ[VARIABLE] = chosen_backend()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# One operation at a time: AddN sums gradients in the order in which concurrent operations let go of
# their buffers, so with two at a time the same step gave weights that differed in the last bit.
# Each operation still uses every core.
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# A GPU is shared with other processes: take memory as it is needed, not all of it at once.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import keras

__all__ = [
    "BACKEND",
    "backend_version",
    "gpu_is_there",
    "keras",
    "make_deterministic",
    "numpy_of",
    "precision",
    "precision_policy",
]

BACKEND = os.environ[VARIABLE]
FULL, MIXED = "float32", "mixed_float16"


def make_deterministic(seed: int) -> None:
    """Seed every generator and, on TensorFlow, use only kernels that give the same result twice.

    On a CPU with the same number of cores, training with TensorFlow is then equal bit by bit.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1.
    """
    keras.utils.set_random_seed(seed)
    if BACKEND == "tensorflow":
        importlib.import_module("tensorflow").config.experimental.enable_op_determinism()


def backend_version() -> str:
    """Return name and version of the backend, as scores record it."""
    return f"{BACKEND} {importlib.import_module(BACKEND).__version__}"


def gpu_is_there() -> bool:
    """Return whether the backend sees a GPU."""
    backend = importlib.import_module(BACKEND)
    if BACKEND == "tensorflow":
        return bool(backend.config.list_physical_devices("GPU"))
    if BACKEND == "jax":
        return any(device.platform in {"gpu", "cuda", "rocm"} for device in backend.devices())
    return bool(backend.cuda.is_available())


def precision_policy(*, mixed: bool, gpu: bool) -> str:
    """Return Keras' name of the precision to train in.

    Parameters
    ----------
    mixed : bool
        Whether the training asks for mixed precision.
    gpu : bool
        Whether there is a GPU; on a CPU, half precision is slower and only loses digits.

    Returns
    -------
    str
        With ``mixed_float16`` weights and losses stay float32 and Keras scales the loss.
    """
    return MIXED if mixed and gpu else FULL


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Build layers in this precision, and leave the process's own as it was."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def numpy_of(tensor: Any) -> Any:
    """Return a tensor of any backend as an array."""
    return keras.ops.convert_to_numpy(tensor)
