"""The one door to Keras: quiet, on TensorFlow, and imported only by modules that need the network.

Importing this module imports TensorFlow, which takes seconds.
"""

from __future__ import annotations

import os

# These are read once, while TensorFlow and Keras are imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# One operation at a time: AddN sums gradients in the order in which concurrent operations let go of their buffers, so
# with two at a time the same step gave weights that differed in the last bit. Each operation still uses every core.
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import keras
import tensorflow as tf

__all__ = ["keras", "make_deterministic"]


def make_deterministic(seed: int) -> None:
    """Seed every generator and let TensorFlow use only kernels that give the same result twice.

    On a CPU with the same number of cores, training is then equal bit by bit.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
