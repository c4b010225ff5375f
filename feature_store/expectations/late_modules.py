"""Modules that are loaded when something of them is used, and not where a library imports them.

Great Expectations imports all that it can do: pictures, clouds, distributions. Judging a table
needs none of it, and loading it takes as long as the library itself.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _LateFinder:
    """Finds some modules as `PathFinder` does, with a loader that waits for the first use."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = LazyLoader(spec.loader)  # type: ignore[arg-type]
        return spec


@contextmanager
def loaded_when_used(names: Collection[str]) -> Iterator[None]:
    """Let what is imported meanwhile import these modules without loading them.

    Whoever then uses something of such a module loads it, and finds what is always there. A library
    that uses one of them at its import, or no longer imports it, is as it would be without this: it
    loads at once, or never. Modules that are loaded already stay as they are.

    Parameters
    ----------
    names : collection of str
        Full names of the modules.
    """
    finder = _LateFinder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
