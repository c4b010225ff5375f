"""An explanation in words names every block and feature, the largest part first."""

from __future__ import annotations

from pathlib import Path

from flows.__main__ import _parser
from flows.studies.explain_study import in_words
from models.combined.applicability import Place
from models.combined.explanation import Explanation, FeatureContribution


def test_in_words() -> None:
    parts = (
        FeatureContribution("gtv:a", "gtv", 12.5, 2.0, 0.3, 0.6),
        FeatureContribution("deep:007", "deep", 0.25, -1.0, 0.1, -0.1),
    )
    place = Place("radiomics", 9.25, 4.0, 0.01, 203, "gtv:a", 2.0)
    assert in_words(Explanation(0.5, parts), [place]) == [
        "linear predictor +0.500: gtv +0.600, deep -0.100",
        "  +0.600  gtv:a = 12.5, +2.00 SD from the training mean",
        "  -0.100  deep:007 = 0.25, -1.00 SD from the training mean",
        (
            "radiomics: outside the range of the training patients, distance 9.25 of at most 4; "
            "what stands out most is gtv:a, +2.00 SD"
        ),
    ]


def test_the_command_takes_a_file_for_the_map() -> None:
    options = _parser().parse_args(["explain", "s1", "--occlusion", "map.dcm"])
    assert (options.study_key, options.occlusion) == ("s1", Path("map.dcm"))
