"""Which library computes the network: Keras on TensorFlow, unless ``KERAS_BACKEND`` names JAX or
PyTorch.

The weights are the same arrays on each, and the features that they give agree to 1e-4. Only
TensorFlow comes with this software, and only with it training on a CPU is known to repeat itself
bit by bit. Nothing is imported here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os

from models.errors import BackendError

VARIABLE = "KERAS_BACKEND"
BACKENDS = {"tensorflow": ("tensorflow-cpu", "tensorflow"), "jax": ("jax",), "torch": ("torch",)}
"""Module of each backend, and the packages that it may come from."""


def chosen_backend() -> str:
    """Return the backend's module name.

    Raises
    ------
    BackendError
        If ``KERAS_BACKEND`` names another, or one that is not installed.
    """
    name = os.environ.get(VARIABLE) or "tensorflow"
    if name not in BACKENDS:
        raise BackendError(
            f"{VARIABLE} is {name!r}: the network runs on {', '.join(BACKENDS)}; unset it for "
            "TensorFlow."
        )
    if importlib.util.find_spec(name) is None:
        raise BackendError(
            f"The network would run on {name}, as {VARIABLE} says, but Python finds no module "
            f"{name}: install it beside this software, or unset the variable."
        )
    return name


def backend_package() -> str:
    """Return the name of the installed package that the backend comes from, for the record."""
    name = chosen_backend()
    for package in BACKENDS[name]:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        return package
    raise BackendError(
        f"The backend {name} comes from no package that is known here: {', '.join(BACKENDS[name])}."
    )
