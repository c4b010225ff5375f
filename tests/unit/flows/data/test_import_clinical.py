"""A centre's clinical table: what was found in it is kept, whether or not it could be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.logging import disable_run_logger

from dicom_node.pseudonym import patient_key
from feature_store.clinical_records import ClinicalRecord, ClinicalTableError
from feature_store.expectations.checks import judged_codes
from feature_store.expectations.follow_up_facts import follow_up_facts
from flows.data.follow_up import center_follow_up_facts, refuse_follow_up
from flows.data.import_clinical import check_table, dropped_files, import_clinical
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
        (
            "2 patients of centre B imported (2 new, 0 changed, 0 unchanged), 0 rows rejected; 2 "
            "warnings: 1 patient has no age, expected one for each. 1 patient has another "
            "histology, expected adenocarcinoma or squamous cell carcinoma."
        ),
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
        "3 patients of centre B imported (1 new, 1 changed, 1 unchanged), 0 rows rejected; 1 "
        "warning: 1 patient has another histology, expected adenocarcinoma or squamous cell "
        "carcinoma."
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
    assert message.endswith(
        "Line 2: survival_days is empty, and a patient cannot be used without it."
    )
    (check,) = work.store.checks("B")
    (finding,) = check.findings
    assert (finding.code, check.n) == ("no-patients", 0)
    assert finding.sentence in message
    assert not work.store.clinical("B")


MONTHS = "".join(
    f"P{row},66,male,adenocarcinoma,II,{5 + 4.5 * row},{row % 2}\n" for row in range(10)
)


@pytest.mark.slow
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


def test_kept_rows_that_cannot_be_days_are_refused_in_whole_sentences() -> None:
    records = [
        ClinicalRecord(f"P{row}", "B", 66.0, None, None, None, 10.0 + row, row % 2 == 0)
        for row in range(30)
    ]
    with pytest.raises(ClinicalTableError) as refusal:
        refuse_follow_up("B", records, follow_up_facts(records, 365))
    assert str(refusal.value).endswith("import it again with --confirm follow-up-deaths.")
    assert ".." not in str(refusal.value)


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
    assert "1 of 12 survival times is longer than 100 years" in message


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


MIXED = (
    "P1,66,male,adenocarcinoma,II,400,1\nP2,66,male,adenocarcinoma,X,500,0\n"
    "P3,66,male,adenocarcinoma,II,soon,1\n"
)


def test_rejected_rows_come_back_beside_the_table_for_its_owner_only(
    work: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "b.csv.rejected.csv"
    os.umask(os.umask(0o022))
    assert imported(tmp_path, MIXED) == (
        "Completed",
        (
            "2 patients of centre B imported (2 new, 0 changed, 0 unchanged), 1 row rejected: "
            "they are beside the table, in a file that ends with .rejected.csv; 2 warnings: 1 "
            "value of stage could not be read and counts as not recorded: 'X' in line 3. 1 patient "
            "has no stage, expected one for each."
        ),
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text(encoding="utf-8-sig").splitlines() == [
        f"line,what is wrong,{HEAD.strip()}",
        (
            '4,"Line 4: survival_days is a text of 4 characters, expected a number.",'
            "P3,66,male,adenocarcinoma,II,soon,1"
        ),
    ]
    assert len(work.store.clinical("B")) == 2
    file.write_text(file.read_text(encoding="utf-8-sig").replace(",soon,", ",700,"))
    with disable_run_logger():
        assert import_clinical.fn("B", str(file)).name == "Completed"
    assert len(work.store.clinical("B")) == 3
    assert imported(tmp_path, MIXED.replace("soon", "600"))[0] == "Completed"
    assert not file.exists()


def test_a_check_shows_what_would_be_read_and_keeps_nothing(
    work: Installation, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_text(
        HEAD.replace("survival_days", "OS_MONTHS,dfs")
        + MIXED.replace(",400,", ",13.5,9,")
        .replace(",500,", ",21.0,9,")
        .replace(",soon,", ",soon,9,")
    )
    lines, accepted = check_table(work, "B", tmp_path / "b.csv")
    text = "\n".join(lines)
    assert accepted
    assert (
        "survival_days from OS_MONTHS, in months from the start of radiotherapy, times 30.4375"
        in text
    )
    assert "not read: dfs" in text
    assert "2 patients can be imported, 1 row would be rejected." in text
    assert "  66, male, adenocarcinoma, II, 411, died" in lines
    assert "  follow-up: 411 to 639 days, median 525; 1 of 2 died" in lines
    assert "Line 4: OS_MONTHS is a text of 4 characters, expected a number." in lines
    assert lines[-1] == "It would be imported. Nothing was kept."
    assert not any(patient in text for patient in ("P1", "P2", "P3"))
    assert work.store.clinical("B") == ()
    assert work.store.checks("B") == ()
    assert [path.name for path in tmp_path.glob("b.csv*")] == ["b.csv"]
    (tmp_path / "b.csv").write_text(HEAD + MONTHS)
    lines, accepted = check_table(work, "B", tmp_path / "b.csv")
    assert not accepted
    assert lines[-1].startswith(
        "It would be refused: The longest of 10 survival times is 45.5 days"
    )
    assert check_table(work, "B", tmp_path / "b.csv", ["follow-up-unit"])[1]


def test_a_drop_folder_takes_tables_of_every_form_and_leaves_our_own_files(
    work: Installation,
) -> None:
    folder = work.settings.clinical_drop_folder("B")
    folder.mkdir(parents=True)
    for name in ("a.CSV", "b.xlsx", "c.xls", "~$b.xlsx", ".a.csv", "a.csv.rejected.csv", "d.part"):
        (folder / name).write_text(HEAD + MIXED)
        os.utime(folder / name, (1e9, 1e9))
    assert [path.name for path in dropped_files(work, "B")] == ["a.CSV", "b.xlsx", "c.xls"]
    for name in ("b.xlsx", "c.xls"):
        (folder / name).unlink()
    with disable_run_logger():
        state = import_clinical.fn("B")
    assert state.name == "Completed"
    (rejected, table) = sorted((folder / "imported").iterdir(), key=lambda path: -len(path.name))
    assert table.name.endswith("-a.CSV")
    assert rejected.name == f"{table.name}.rejected.csv"


UNREAD = {
    "a word for the living": ("lost", "1", "{days}"),
    "a sign at censored times": ("0", "1", "{days}+"),
    "a word for the dead": ("0", "gone", "{days}"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_rows_that_are_lost_by_their_outcome_hold_the_table(
    work: Installation, tmp_path: Path, name: str
) -> None:
    alive, dead, time = UNREAD[name]
    rows = "".join(
        f"P{row},66,male,adenocarcinoma,II,"
        f"{row * 90 + 60 if row % 2 else time.format(days=row * 90 + 60)},"
        f"{dead if row % 2 else alive}\n"
        for row in range(12)
    )
    state, message = imported(tmp_path, rows)
    assert state == "Refused"
    assert message is not None
    assert "6 of 12 rows cannot be used, expected at most 10% of them." in message
    assert work.store.clinical("B") == ()


@pytest.mark.usefixtures("work")
def test_rows_of_one_patient_are_not_lost(tmp_path: Path) -> None:
    rows = "".join(
        f"P{row},66,male,adenocarcinoma,II,{100 + 150 * row},{row % 2}\n" for row in range(6)
    )
    assert imported(tmp_path, rows + rows)[0] == "Completed"


def test_who_has_arrived_under_another_spelling_is_told(
    work: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ("0000101", "0000102", "AB-7", "P9")
    keys = [patient_key(work.pseudonym_key(), "B", one) for one in ids]
    arrived = [SimpleNamespace(patient_key=key) for key in keys]
    monkeypatch.setattr(work.registry.studies, "summaries", lambda _center: arrived)
    rows = "".join(
        f"{one},66,male,adenocarcinoma,II,{100 + 150 * place},{place % 2}\n"
        for place, one in enumerate(("101", "102", "AB7", "P9", "nobody"))
    )
    _, message = imported(tmp_path, rows)
    assert message is not None
    assert (
        "2 Patient IDs are of nobody whose study has arrived, while studies have arrived whose ID "
        "differs in zeros before the number only (lines 2, 3): write them as in the PACS, or the "
        "patients are left out of validation."
    ) in message
    assert (
        "1 Patient ID is of nobody whose study has arrived, while one has arrived whose ID differs "
        "in blanks or signs between its parts only (line 4): write it as in the PACS"
    ) in message
    assert not any(one in message for one in ("0000101", "AB-7", "AB7", "nobody,"))
    assert "differs in zeros before the number" in "\n".join(
        check_table(work, "B", tmp_path / "b.csv")[0]
    )


def test_a_table_of_which_nobody_has_arrived_is_told(
    work: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.csv").write_text(HEAD + "17,66,male,adenocarcinoma,II,400,1\n")
    told = "Nobody of the table is a patient whose study has arrived, while those of 1 patient have"
    assert told not in "\n".join(check_table(work, "B", tmp_path / "b.csv")[0])
    arrived = [SimpleNamespace(patient_key=patient_key(work.pseudonym_key(), "B", "R-8"))]
    monkeypatch.setattr(work.registry.studies, "summaries", lambda _center: arrived)
    assert told in "\n".join(check_table(work, "B", tmp_path / "b.csv")[0])
