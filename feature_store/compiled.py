"""The one place where numba is asked to compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function on its first call, without the interpreter lock.

    The machine code is kept for later processes: beside the source, or in the user's cache folder
    (or ``NUMBA_CACHE_DIR``) where the source's folder is read-only. Where none of these may be
    written, each process compiles for itself.
    """
    try:
        found = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # numba's word for: there is no folder in which the machine code may be kept.
        found = numba.njit(nogil=True)(function)
    return cast("_Function", found)
