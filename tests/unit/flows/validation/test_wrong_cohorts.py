"""Wrong parameters of an ad-hoc cohort, each with the sentence of the run that refuses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prefect.logging import disable_run_logger

from flows.installation import installation
from flows.refusal import REFUSED
from flows.validation.cohort_query import MOST_HORIZONS
from flows.validation.validate import validate_cohort
from tests.support.settings_tables import center_table

_CASES: Final = [
    tuple(case.split("\n-> ", 1))
    for case in Path(__file__)
    .with_name("wrong_cohorts.txt")
    .read_text(encoding="utf-8")
    .strip()
    .split("\n\n")
]


@pytest.fixture(autouse=True)
def two_centers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation that trains on centre A, and validates on B and C; nothing has arrived."""
    file = tmp_path / "annulus.toml"
    tables = (center_table("A", role="training"), center_table("B"), center_table("C"))
    file.write_text(f"[node]\nfolder = '{tmp_path / 'node'}'\n{''.join(tables)}")
    monkeypatch.setenv("ANNULUS_SETTINGS", str(file))
    installation.cache_clear()
    yield
    installation().registry.close()
    installation.cache_clear()


@pytest.mark.parametrize(("cohort", "sentence"), _CASES)
def test_a_wrong_cohort_is_refused_with_its_sentence(cohort: str, sentence: str) -> None:
    with disable_run_logger():
        ended = validate_cohort.fn(json.loads(cohort))
    assert (ended.name, ended.message) == (REFUSED, sentence)


def test_hundreds_of_horizons_are_refused_in_one_short_sentence() -> None:
    with disable_run_logger():
        ended = validate_cohort.fn({"centers": ["B"], "horizons_days": list(range(1, 501))})  # type: ignore[arg-type]
    assert ended.message is not None
    assert f"500 entries, expected at most {MOST_HORIZONS}" in ended.message
    assert len(ended.message) < 200


def test_there_are_cases_for_every_field() -> None:
    fields = set(validate_cohort.parameters.definitions["CohortQuery"]["properties"])
    assert len(_CASES) >= 27
    assert fields <= {name for cohort, _ in _CASES for name in fields if f'"{name}"' in cohort}
