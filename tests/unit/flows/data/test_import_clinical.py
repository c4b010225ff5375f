"""A centre's clinical table: what was found in it is kept, whether or not it could be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from feature_store.expectations.checks import judged_codes
from flows.data.import_clinical import import_clinical
from flows.installation import Installation, installation

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

HEAD = "patient_id,age,sex,histology,stage,survival_days,event\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[center.B]\nae_titles = ['B']\n"
    )
    monkeypatch.setenv("ANNULUS_SETTINGS", str(tmp_path / "annulus.toml"))
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", "0123456789abcdef")
    installation.cache_clear()
    yield installation()
    installation.cache_clear()


def imported(folder: Path, rows: str) -> tuple[str | None, str | None]:
    """Import a table; return name and message of the run's state."""
    (folder / "b.csv").write_text(HEAD + rows)
    with disable_run_logger():
        state = import_clinical.fn("B", str(folder / "b.csv"))
    return state.name, state.message


def test_what_is_unusual_is_kept_beside_the_table(work: Installation, tmp_path: Path) -> None:
    rows = "P1,66,male,adenocarcinoma,II,100,1\nP2,,female,large cell,II,200,0\n"
    assert imported(tmp_path, rows) == (
        "Completed",
        "2 patients of centre B imported, 0 rows rejected",
    )
    (check,) = work.store.checks("B")
    assert (check.suite, check.study, check.n) == ("clinical", None, 2)
    assert check.codes == judged_codes("clinical")
    assert {one.code for one in check.findings} == {"age-missing", "histology"}
    assert len(work.store.clinical("B")) == 2


def test_a_table_that_cannot_be_used_is_kept_as_such(work: Installation, tmp_path: Path) -> None:
    name, message = imported(tmp_path, "P1,66,male,adenocarcinoma,II,none,1\n")
    assert name == "Refused"
    assert message is not None
    (check,) = work.store.checks("B")
    (finding,) = check.findings
    assert (finding.code, check.n) == ("no-patients", 0)
    assert finding.sentence in message
    assert not work.store.clinical("B")
