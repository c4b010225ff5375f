"""Errors carry a code and a sentence, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from feature_store.errors import ContourError, CtGeometryError, FeatureStoreError, StudyDefect


def test_the_sentence_is_what_is_shown() -> None:
    error = CtGeometryError("missing-slice", "The CT lacks 1 slice.")
    assert (str(error), error.code, isinstance(error, ValueError)) == (
        "The CT lacks 1 slice.",
        "missing-slice",
        True,
    )


@pytest.mark.parametrize("kind", [StudyDefect, ContourError])
def test_code_and_sentence_survive_pickling(kind: type[StudyDefect]) -> None:
    # Our own bytes
    error = pickle.loads(pickle.dumps(kind("slug", "Sentence.")))  # noqa: S301
    assert (type(error), str(error), error.code) == (kind, "Sentence.", "slug")


def test_the_tree_is_as_drawn() -> None:
    assert issubclass(ContourError, StudyDefect)
    assert issubclass(StudyDefect, FeatureStoreError)
