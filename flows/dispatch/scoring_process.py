"""How a scoring process starts: nobody looks for garbage while what it needs is loaded.

Nothing is imported here that loads a library, so that the dispatcher's child is here before
anything else is loaded.
"""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType

from feature_store.expectations.late_modules import loaded_when_used

_USED_BY_NO_STUDY = (
    "coolname",
    "numpy.ctypeslib",
    "numpy.f2py",
    "numpy.testing",
    "prefect.blocks.webhook",
)
"""What Prefect imports to make up names and to call others, and SciPy because numpy has it."""


def start(parent: int) -> None:
    """Score as `flows.dispatch.worker.work_on_studies` does, in a process that has loaded nothing.

    Parameters
    ----------
    parent : int
        The dispatcher's process number.
    """
    loaded_worker().work_on_studies(parent)


def compile_kernels() -> None:
    """Compile as `feature_store.kernels.compile_kernels` does; the process ends with it."""
    import_module("feature_store.kernels").compile_kernels()


def loaded_worker() -> ModuleType:
    """Return `flows.dispatch.worker`; from now on until its `warm_up` has ended, the process does
    not look for garbage.

    Modules make a million objects that all stay: looking through them again and again as they come
    takes 2 of 5 CPU seconds, and frees nothing.
    """
    gc.disable()
    with loaded_when_used(_USED_BY_NO_STUDY):
        return import_module("flows.dispatch.worker")
