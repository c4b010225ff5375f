"""A study's and a centre's suites as a project that Great Expectations itself opens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_store.expectations.data_docs import RESULTS
from feature_store.expectations.evaluation import great_expectations
from feature_store.expectations.suites import SUITES
from flows.data.gx_project import center_data_docs, study_data_docs
from flows.installation import Installation
from flows.settings import Settings
from tests.support.archived_studies import archive_study
from tests.support.feature_stores import MODEL_ONE, fill
from tests.support.synthetic_studies import write_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning"),
]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[center.B]\nae_titles = ['B']\n"
        f"[model]\nbundle = 'bundle'\ndigest = '{MODEL_ONE}'\n"
    )
    work = Installation(Settings.load(tmp_path / "annulus.toml"))
    yield work
    work.registry.close()


def observed(folder: Path) -> dict[str, dict[str, object]]:
    said = json.loads((folder / RESULTS).read_text())
    return {f"{one['suite']}/{one['code']}": one for one in said}


def test_a_centre_has_checkpoint_results_with_observed_values_and_data_docs(
    work: Installation, tmp_path: Path
) -> None:
    fill(work.store)
    page = center_data_docs(work, "B", tmp_path / "gx")
    assert page.is_file()
    assert len(list(page.parent.rglob("validations/**/*.html"))) == 2
    said = observed(tmp_path / "gx")
    assert len(said) == len(SUITES["clinical"]) + len(SUITES["cohort"])
    ages = next(one for one in said.values() if one["column"] == "age")
    assert ages["observed"] == [61.25, None]
    context = great_expectations().get_context(mode="file", project_root_dir=str(tmp_path / "gx"))
    assert {one.name for one in context.checkpoints.all()} == {"clinical", "cohort"}
    center_data_docs(work, "B", tmp_path / "gx")  # and again


def test_a_study_has_them_of_each_of_its_suites(work: Installation, tmp_path: Path) -> None:
    files = write_study(tmp_path / "study", "PATIENT-ID")
    study_key = archive_study(work.settings.node.folder, files, "B")
    page = study_data_docs(work, study_key, tmp_path / "gx")
    said = observed(tmp_path / "gx")
    assert {key.split("/")[0] for key in said} == {"study", "contours", "voxels", "regions"}
    assert all(len(one["observed"]) == 1 for one in said.values())  # type: ignore[arg-type]
    everything = [path.read_bytes() for path in (tmp_path / "gx").rglob("*") if path.is_file()]
    assert page.is_file()
    assert not any(b"PATIENT-ID" in content for content in everything)
