"""Errors carry a code and a sentence, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from feature_store.errors import (
    AmbiguousGtvError,
    ContourError,
    CtGeometryError,
    NoGtvError,
    StudyDefect,
)


def test_the_sentence_is_what_is_shown() -> None:
    error = CtGeometryError("missing-slice", "The CT lacks 1 slice.")
    assert (str(error), error.code, isinstance(error, ValueError)) == (
        "The CT lacks 1 slice.",
        "missing-slice",
        True,
    )


@pytest.mark.parametrize("kind", [NoGtvError, AmbiguousGtvError])
def test_roi_names_survive_pickling(kind: type[NoGtvError | AmbiguousGtvError]) -> None:
    # Our own bytes
    error = pickle.loads(pickle.dumps(kind("slug", "Sentence.", ("GTV-1", "GTV-2"))))  # noqa: S301
    assert (type(error), str(error), error.code, error.roi_names) == (
        kind,
        "Sentence.",
        "slug",
        ("GTV-1", "GTV-2"),
    )


def test_the_tree_is_as_drawn() -> None:
    assert issubclass(NoGtvError, LookupError)
    assert issubclass(NoGtvError, ContourError)
    assert issubclass(ContourError, StudyDefect)
