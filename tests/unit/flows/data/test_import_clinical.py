"""A centre's clinical table: what was found in it is kept, whether or not it could be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from feature_store.clinical_records import ClinicalTableError
from feature_store.expectations.checks import judged_codes
from flows.data.follow_up import center_follow_up_facts, refuse_follow_up
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


def imported(folder: Path, rows: str, *confirm: str) -> tuple[str | None, str | None]:
    """Import a table; return name and message of the run's state."""
    (folder / "b.csv").write_text(HEAD + rows)
    with disable_run_logger():
        state = import_clinical.fn("B", str(folder / "b.csv"), confirm)
    return state.name, state.message


def test_what_is_unusual_is_kept_beside_the_table(work: Installation, tmp_path: Path) -> None:
    rows = "P1,66,male,adenocarcinoma,II,100,1\nP2,,female,large cell,II,200,0\n"
    assert imported(tmp_path, rows) == (
        "Completed",
        "2 patients of centre B imported (2 new, 0 changed, 0 unchanged), 0 rows rejected",
    )
    check, follow_up = work.store.checks("B")
    assert (check.suite, check.study, check.n) == ("clinical", None, 2)
    assert (follow_up.suite, follow_up.n, follow_up.findings) == ("follow-up", 2, ())
    assert check.codes == judged_codes("clinical")
    assert {one.code for one in check.findings} == {"age-missing", "histology"}
    assert len(work.store.clinical("B")) == 2


def test_an_import_says_what_is_new_what_changed_and_what_did_not(
    work: Installation, tmp_path: Path
) -> None:
    first = "P1,66,male,adenocarcinoma,II,100,1\nP2,70,female,large cell,II,200,0\n"
    imported(tmp_path, first)
    _, message = imported(
        tmp_path, first.replace("200,0", "260,1") + "P3,71,male,adenocarcinoma,I,300,0\n"
    )
    assert message == (
        "3 patients of centre B imported (1 new, 1 changed, 1 unchanged), 0 rows rejected"
    )
    assert len(work.store.clinical("B")) == 3


def test_another_key_than_the_archives_imports_nothing(
    work: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "P1,66,male,adenocarcinoma,II,100,1\n"
    imported(tmp_path, rows)
    before = work.store.clinical("B")
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", "another key of 32 characters....")
    name, message = imported(tmp_path, rows)
    assert name == "Refused"
    assert message is not None
    assert "was made with another pseudonym key" in message
    assert "annulus.env" in message
    assert work.store.clinical("B") == before


def test_a_table_that_cannot_be_used_is_kept_as_such(work: Installation, tmp_path: Path) -> None:
    name, message = imported(tmp_path, "P1,66,male,adenocarcinoma,II,none,1\n")
    assert name == "Refused"
    assert message is not None
    (check,) = work.store.checks("B")
    (finding,) = check.findings
    assert (finding.code, check.n) == ("no-patients", 0)
    assert finding.sentence in message
    assert not work.store.clinical("B")


MONTHS = "".join(
    f"P{row},66,male,adenocarcinoma,II,{5 + 4.5 * row},{row % 2}\n" for row in range(10)
)


def test_months_for_days_are_refused_and_can_be_confirmed(
    work: Installation, tmp_path: Path
) -> None:
    name, message = imported(tmp_path, MONTHS)
    assert name == "Refused"
    assert message is not None
    assert message.startswith(
        "The longest of 10 survival times is 45.5 days, below the first horizon of 365 days, and 5 "
        "patients died: the times look like months (1385 days)"
    )
    assert work.store.clinical("B") == ()
    assert imported(tmp_path, MONTHS, "follow-up-unit")[0] == "Completed"
    records = work.store.clinical("B")
    assert {record.confirmed for record in records} == {("follow-up-unit",)}
    facts = center_follow_up_facts(work, records)
    refuse_follow_up("B", records, facts)
    with pytest.raises(ClinicalTableError, match=r"centre B cannot be used: The longest of 10"):
        refuse_follow_up("B", [replace(one, confirmed=()) for one in records], facts)


def test_a_patient_more_is_judged_with_those_that_are_there(
    work: Installation, tmp_path: Path
) -> None:
    days = "".join(
        f"P{row},66,male,adenocarcinoma,II,{100 + 150 * row},{row % 2}\n" for row in range(10)
    )
    assert imported(tmp_path, days)[0] == "Completed"
    assert imported(tmp_path, "P99,66,male,adenocarcinoma,II,30,1\n")[0] == "Completed"
    name, message = imported(tmp_path, "P98,66,male,adenocarcinoma,II,1000000000,1\n")
    assert (name, len(work.store.clinical("B"))) == ("Refused", 11)
    assert message is not None
    assert "1 of 12 survival times are longer than 100 years" in message


def test_only_what_is_implausible_can_be_confirmed(work: Installation, tmp_path: Path) -> None:
    name, message = imported(tmp_path, MONTHS, "follow-up-dates")
    assert name == "Refused"
    assert message is not None
    assert message.startswith("follow-up-dates cannot be confirmed: expected codes out of events-")
    with disable_run_logger():
        state = import_clinical.fn("B", None, ["follow-up-unit"])
    assert state.message is not None
    assert "name the file" in state.message
    assert work.store.clinical("B") == ()
