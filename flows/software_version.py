"""The versions of this software and of its libraries, as scores, reports and bundles name them."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


@cache
def software_version() -> str:
    """Return the version of this software, as scores and reports name it."""
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each of these packages that is installed here."""
    return {name: importlib.metadata.version(name) for name in names}
