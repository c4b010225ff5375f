"""An explanation in words names every block and feature, the largest part first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import _parser
from flows.studies.explain_study import in_words, read_by_the_bundle
from flows.studies.scored import Scored
from models.combined.applicability import Place
from models.combined.explanation import Explanation, FeatureContribution, explain
from tests.unit.flows.studies.conftest import installed

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")


def test_in_words() -> None:
    parts = (
        FeatureContribution("gtv:original_shape_Sphericity", "gtv", 12.5, 2.0, 0.3, 0.6),
        FeatureContribution("deep:007", "deep", 0.25, -1.0, 0.1, -0.1),
    )
    place = Place("radiomics", 9.25, 4.0, 0.01, 203, "gtv:a", 2.0)
    assert in_words(Explanation(0.5, parts), [place]) == [
        "linear predictor +0.500: gtv +0.600, deep -0.100",
        (
            "  +0.600  GTV: sphericity, shape: 12.5, +2.00 SD from the training mean "
            "(gtv:original_shape_Sphericity; rounder)"
        ),
        (
            "  -0.100  Deep feature 7: 0.25, -1.00 SD from the training mean (deep:007; an output "
            "of the network on the image of the GTV, without a meaning of its own)"
        ),
        (
            "radiomics: outside the range of the training patients, distance 9.25 of at most 4; "
            "what stands out most is gtv:a, +2.00 SD"
        ),
    ]


def test_the_command_takes_a_file_for_the_map() -> None:
    options = _parser().parse_args(["explain", "s1", "--occlusion", "map.dcm"])
    assert (options.study_key, options.occlusion) == ("s1", Path("map.dcm"))


def test_a_score_is_explained_from_the_store_when_its_files_are_gone(
    archived: tuple[Path, str], bundle: Any, scored: Scored
) -> None:
    folder, study_key = archived
    work = installed(folder, bundle, "")
    files = work.registry.outbox.files(study_key)
    archive, away = folder / "node" / "archive", folder / "away"
    archive.rename(away)
    try:
        (found,) = explain(bundle.model, read_by_the_bundle(work, files))
    finally:
        away.rename(archive)
        work.registry.close()
    assert found == scored.answer.explanation
