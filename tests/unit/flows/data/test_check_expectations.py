"""The pages on the expectations come from the store, and a cohort's check goes there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_store.rules import Finding, Severity
from flows.data.check_expectations import write_expectation_pages
from flows.installation import Installation
from flows.settings import Settings
from tests.support.feature_stores import KVP, MODEL_ONE, check, fill, identity

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n"
        f"[model]\nbundle = 'bundle'\ndigest = '{MODEL_ONE}'\n"
        "[center.A]\nae_titles = ['A']\nrole = 'training'\n[center.B]\nae_titles = ['B']\n"
    )
    (tmp_path / "node").mkdir()
    work = Installation(Settings.load(tmp_path / "annulus.toml"))
    fill(work.store)
    yield work
    work.registry.close()


def test_a_cohort_is_checked_under_the_pinned_model_and_kept(work: Installation) -> None:
    index, found = write_expectation_pages(work)
    assert found.keys() == {"B"}
    cohort, study = work.store.checks("B")
    assert (cohort.suite, cohort.study, cohort.model_digest) == ("cohort", None, MODEL_ONE)
    assert cohort.findings == found["B"]
    assert "cohort-events" in {one.code for one in found["B"]}
    assert study.findings == (KVP,)
    page = (index.parent / "center-B.html").read_text()
    assert "1 of 1 patient died, expected at least 100" in page
    assert '<code class="soft">kvp</code></td><td class="warning">warning</td><td class="n">1<' in (
        page
    )
    write_expectation_pages(work)
    assert [one.suite for one in work.store.checks("B")] == ["cohort", "study"]


def test_only_the_newest_content_of_a_study_is_shown(work: Installation) -> None:
    clinical = check("clinical", None, Finding(Severity.WARNING, "age-missing", "1 has no age."))
    work.store.put_check(clinical)
    work.store.put_check(check("study", identity("B", 2, "c0"), KVP))
    index, _ = write_expectation_pages(work)
    page = (index.parent / "center-B.html").read_text()
    assert "1 has no age." in page
    assert "1 study, each with its newest content" in page
    assert "has been held against the expectations" not in index.read_text()
