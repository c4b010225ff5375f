"""A number agrees with its noun and verb, alike in packages that may not import each other."""

from __future__ import annotations

import pytest

from dicom_node import wording
from feature_store import wording as of_features
from models import wording as of_models


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 studies, 0 slices are"),
        (1, "1 study, 1 slice is"),
        (2, "2 studies, 2 slices are"),
    ],
)
def test_a_number_agrees_with_its_noun_and_verb(number: int, said: str) -> None:
    for words in (wording, of_features):
        studies, slices = words.counted(number, "study", "studies"), words.counted(number, "slice")
        assert f"{studies}, {slices} {words.are(number)}" == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(1.0, "1 day"), (0.5, "0.5 days"), (1e6, "1000000 days"), (float("nan"), "nan days")],
)
def test_a_number_that_is_not_whole_is_a_plural(number: float, said: str) -> None:
    for words in (wording, of_features, of_models):
        assert words.counted(number, "day") == said


def test_the_past_agrees_too() -> None:
    for words in (wording, of_features):
        assert [words.were(n) for n in (0, 1, 2)] == ["were", "was", "were"]
