"""The source of the packages as syntax trees, and the names in them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.support import ROOT

PACKAGES: Final = (
    "dicom_node",
    "feature_store",
    "models",
    "validation_reports",
    "flows",
    "deploy",
)
LOG_LEVELS: Final = {"info", "warning", "error", "exception", "critical"}
"""Methods of a logger whose messages somebody reads."""


def trees_of(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> dict[str, ast.Module]:
    """Return the source of every module of the packages, by its file.

    Parameters
    ----------
    root : pathlib.Path
        The folder of the packages.
    packages : iterable of str
        Their names.
    """
    return {
        file.relative_to(root).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for package in packages
        for file in sorted((root / package).rglob("*.py"))
    }


def last_name(node: ast.AST) -> str:
    """Return the last name in an expression, ``c`` of ``a.b.c(d)[e]``, or an empty text."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.Await(value=inner):
            return last_name(inner)
        case _:
            return ""
