"""A list as people make it: each line is asked for or has its fault, and each result is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.errors import StudyListError
from dicom_node.scu.study_list import (
    Line,
    LineResult,
    Outcome,
    Results,
    read_list,
    results_of,
    tally,
    wish_of,
)

KEY = b"a key that is only used in tests"


def _read(tmp_path: Path, text: str, encoding: str = "utf-8") -> list[Line]:
    file = tmp_path / "list.csv"
    file.write_bytes(text.encode(encoding))
    return read_list(file)


@pytest.mark.parametrize(
    "text",
    [
        "patient_id,accession_number\nP1,A1\n",
        "Patient ID;Accession Number\r\nP1;A1\r\n",
        "PatientID\tname\tAccessionNumber\nP1\tSomebody\tA1\n",
        '"patient-id","accession_number"\n" P1 ","A1"\n\n',
    ],
)
def test_columns_are_known_by_their_names(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text) == [Line(2, {"PatientID": "P1", "AccessionNumber": "A1"})]


def test_the_mark_that_a_spreadsheet_writes_is_no_part_of_the_head(tmp_path: Path) -> None:
    lines = _read(tmp_path, "study_instance_uid\n1.2.3\n", "utf-8-sig")
    assert lines == [Line(2, {"StudyInstanceUID": "1.2.3"})]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("name,born\nSomebody,1950\n", "has no column that names patients or studies"),
        ("patient_id,PatientID\nP1,P1\n", "has twice a column"),
        ("patient_id\n", "has no line below its head"),
    ],
)
def test_a_list_that_names_nobody_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StudyListError, match=words):
        _read(tmp_path, text)


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyListError, match=r"none\.csv cannot be read: No such file"):
        read_list(tmp_path / "none.csv")
    with pytest.raises(StudyListError, match="is not UTF-8"):
        _read(tmp_path, "patient_id\nMüller\n", "latin-1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patient_id,x\n,1\n", "names nobody"),
        ("patient_id\nP*\n", "search for more than one"),
        ("patient_id\nP?\n", "search for more than one"),
        ("patient_id\nP\\Q\n", "search for more than one"),
        ("patient_id\n" + "P" * 65 + "\n", "has 65 characters, expected at most 64"),
        ("accession_number\n12345678901234567\n", "expected at most 16"),
        ("study_instance_uid\n1.2.x\n", "is not a UID"),
        ("patient_id\nP1\nP1\n", "the same as line 2"),
    ],
)
def test_a_line_that_cannot_be_asked_for_has_its_fault(
    tmp_path: Path, text: str, words: str
) -> None:
    fault = _read(tmp_path, text)[-1].fault
    assert fault is not None
    assert words in fault
    assert "P1" not in fault


def test_what_a_line_names_has_a_pseudonym_of_its_own() -> None:
    one = Line(2, {"PatientID": "P1"})
    wishes = {
        wish_of(KEY, "alpha", one),
        wish_of(KEY, "beta", one),
        wish_of(KEY, "alpha", Line(2, {"AccessionNumber": "P1"})),
        wish_of(KEY, "alpha", Line(2, {"PatientID": "P1", "AccessionNumber": "A1"})),
    }
    assert len(wishes) == 4
    assert wish_of(KEY, "alpha", Line(9, {"PatientID": "P1"})) in wishes


def _result(number: int, outcome: Outcome, wish: str = "w") -> LineResult:
    return LineResult(number, wish, outcome, "p" * 16, "s" * 16, 3, 'said "so", and more')


def test_results_outlive_the_process_and_what_failed_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    lines = [Line(number, {"PatientID": f"P{number}"}) for number in range(2, 7)]
    with results_of(file) as results:
        results.add(_result(2, Outcome.FETCHED))
        results.add(_result(3, Outcome.FAILED))
        results.add(_result(4, Outcome.FETCHED, wish="another"))
        results.add(_result(5, Outcome.NOT_FOUND))
        assert tally(lines, results).sentence == (
            "5 lines: 2 fetched, 1 not found, 1 failed, 1 not asked for yet; run it again for 2 of "
            "them"
        )
    with results_of(file) as results:
        done = [one.number for one in lines if results.done(one, "w")]
        assert done == [2, 5]
        assert results.done(lines[0], "w") == _result(2, Outcome.FETCHED)
        results.add(_result(3, Outcome.FETCHED))
        results.add(_result(6, Outcome.HERE))
        assert tally(lines, results).is_done
        assert [one.line for one in results.latest()] == [2, 3, 4, 5, 6]
    assert (tmp_path / "list.results.csv").stat().st_mode & 0o777 == 0o600


def test_a_result_that_a_death_cut_is_asked_for_again(tmp_path: Path) -> None:
    file = tmp_path / "list.results.csv"
    with Results(file) as results:
        results.add(_result(2, Outcome.FETCHED))
        results.add(_result(3, Outcome.FETCHED))
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    with Results(file) as results:
        assert [one.line for one in results.latest()] == [2]
        results.add(_result(3, Outcome.FETCHED))
    assert file.read_bytes() == whole


def test_one_process_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    with results_of(file), pytest.raises(StudyListError, match="being fetched already"):
        Results(tmp_path / "list.results.csv")


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "list.results.csv"
    file.write_text("a letter\n")
    with pytest.raises(StudyListError, match="holds something else"):
        Results(file)
    assert file.read_text() == "a letter\n"
