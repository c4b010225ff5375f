"""A clinical table becomes records: Lung1 as published, our own names, rows that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from feature_store.clinical_records import (
    ClinicalRecord,
    ClinicalTable,
    ClinicalTableError,
    Histology,
    Sex,
    eligible,
)
from feature_store.clinical_tables.reading import read_clinical_table

HEADER = "patient_id,age,sex,histology,stage,survival_days,event\n"


def table_of(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "clinical.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(
    path: Path,
    center: str,
    pseudonymise: Callable[[str], str],
    clock_shift_s: Callable[[str], int] = lambda _: 0,
) -> ClinicalTable:
    return read_clinical_table(path, center, pseudonymise, clock_shift_s).table


def test_lung1_gives_the_papers_203_patients_with_184_deaths(real_data: Path) -> None:
    table = read(real_data / "lung1" / "clinical.csv", "maastro", lambda patient: patient[::-1])
    assert len(table.records) == 422
    assert table.rejected == ()
    included = [record for record in table.records if eligible(record).eligible]
    assert len(included) == 203
    assert sum(record.event for record in included) == 184
    assert sum(record.histology is Histology.ADENOCARCINOMA for record in included) == 51
    assert sum(record.age is None for record in included) == 5
    first = table.records[0]
    assert (first.patient_key, first.center) == ("100-1GNUL", "maastro")
    assert (first.age, first.sex, first.stage, first.survival_days, first.event) == (
        78.7515, Sex.MALE, "IIIB", 2165.0, True,
    )  # fmt: skip
    assert eligible(first).reason == (
        "histology is large cell; included are adenocarcinoma and squamous cell carcinoma"
    )


def test_plain_names_are_read_whatever_the_order_of_the_columns(tmp_path: Path) -> None:
    path = table_of(
        tmp_path,
        "event,note,survival_days,stage,histology,sex,age,patient_id\n"
        "0,ä,12.5,iiia,Squamous Cell  Carcinoma,F,55,P1\n"
        "\n"
        "true,,900,NA,,female,NA,P2\n",
        "utf-8-sig",
    )
    table = read(path, "A", str.lower)
    assert table.rejected == ()
    assert table.records == (
        ClinicalRecord("p1", "A", 55.0, Sex.FEMALE, Histology.SQUAMOUS, "IIIA", 12.5, False),
        ClinicalRecord("p2", "A", None, Sex.FEMALE, None, None, 900.0, True),
    )


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("P,60,male,adeno,II,0,1", "The survival time is 0 days: expected a number above 0."),
        ("P,60,male,adeno,II,-3,1", "The survival time is -3 days"),
        ("P,60,male,adeno,II,inf,1", "survival_days is 'inf', expected a number."),
        ("P,60,male,adeno,II,,1", "survival_days is empty"),
        ("P,60,male,adeno,II,NaN,1", "survival_days is empty"),
        ("P,60,male,adeno,II,100,", "event is empty"),
        ("P,60,male,adeno,II,100,3", "event is '3', expected dead or 1 where the patient died"),
        (",60,male,adeno,II,100,1", "patient_id is empty"),
        ("P,60,male,adeno,II,100", "It has 6 cells, expected 7 as in the header."),
        ("Q,60,male,adeno,II,100,1", "the patient occurs already in line 2: keep one row"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_line(
    tmp_path: Path, row: str, complaint: str
) -> None:
    table = read(table_of(tmp_path, f"{HEADER}Q,60,male,adeno,II,100,1\n{row}\n"), "A", str)
    assert [record.patient_key for record in table.records] == ["Q"]
    ((line, sentence),) = table.rejected
    assert line == 3
    assert sentence.startswith(f"Line 3: {complaint}")


@pytest.mark.parametrize(
    "other",
    ["Q,60,male,adeno,II,400,1", "Q,60,male,adeno,II,100,0", "Q,60,male,squamous,II,100,1"],
)
def test_of_rows_of_one_patient_that_differ_none_is_used(tmp_path: Path, other: str) -> None:
    rows = ["Q,60,male,adeno,II,100,1", other, "P,60,male,adeno,II,100,1"]
    for order in (rows, [rows[2], rows[1], rows[0]], [*rows, rows[0]]):
        path = table_of(tmp_path, HEADER + "\n".join(order) + "\n")
        reading = read_clinical_table(path, "A", str)
        assert [record.patient_key for record in reading.table.records] == ["P"]
        assert reading.lost == len(order) - 1
        lines = [line for line, _ in reading.table.rejected]
        assert lines == [line for line, row in enumerate(order, 2) if row[0] == "Q"]
        for line, sentence in reading.table.rejected:
            also = next(other for other in lines if other != line)
            assert sentence == (
                f"Line {line}: the patient occurs in line {also} too, with something else, and "
                "nothing tells which of them holds: keep one row."
            )


def test_no_sentence_shows_what_may_be_an_identifier(tmp_path: Path) -> None:
    shifted = "60,SECRET^NAME,SECRET^NAME,SECRET^NAME,SECRET^NAME,SECRET^NAME,SECRET^NAME\n"
    rows = [shifted]
    for place in range(7):
        cells = [f"P{place}", "60", "male", "adeno", "II", "100", "1"]
        cells[place] = "SECRET^NAME"
        rows.append(",".join(cells) + "\n")
    path = table_of(tmp_path, HEADER + "".join(rows))
    reading = read_clinical_table(path, "A", str)
    assert len(reading.table.rejected) == 3
    sentences = [*reading.warnings, *(sentence for _, sentence in reading.table.rejected)]
    assert len(reading.warnings) == 4
    assert not any("SECRET" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is an empty file, expected a header and rows"),
        (b"\xef\xbb\xbf\r\n", "is an empty file"),
        (HEADER.encode(), "has a header in line 1 and no line below it"),
        (
            b"patient_id,age,sex,histology,stage,event\nP,60,m,adeno,I,1\n",
            r"lacks 1 column: survival_days \(Survival\.time, OS_MONTHS",
        ),
        (
            b"stage,Overall.Stage," + HEADER.encode().replace(b"stage,", b"") + b"I,,P,60,m,,9,1\n",
            "The columns stage and Overall.Stage both say stage and differ in line 2: delete one",
        ),
        (HEADER.encode() + b"\xff\x81,1\n", r"neither UTF-8 \(line 2\) nor Windows-1252"),
        (
            HEADER.encode() + b'P,"60,male\n',
            "quotes of the clinical table cannot be read in line 2",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "clinical.csv"
    path.write_bytes(content)
    with pytest.raises(ClinicalTableError, match=complaint):
        read(path, "A", str)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClinicalTableError, match="cannot be read: No such file"):
        read(tmp_path / "none.csv", "A", str)


def test_events_of_one_and_two_are_refused_as_a_whole(tmp_path: Path) -> None:
    rows = [f"P{row},60,male,adeno,II,{row + 1},{1 + row % 2}\n" for row in range(6)]
    with pytest.raises(ClinicalTableError, match="holds 1 and 2 and no 0, expected 1 where"):
        read(table_of(tmp_path, HEADER + "".join(rows)), "A", str)


def test_the_start_of_radiotherapy_is_kept_on_the_clock_of_the_patient(tmp_path: Path) -> None:
    header = HEADER.rstrip() + ",radiotherapy_start\n"
    rows = "P,60,male,adeno,II,100,1,1970-01-03\nQ,60,male,adeno,II,100,1,\n"
    rows += "R,60,male,adeno,II,100,1,3 January\n"
    shifts = {"p": 500, "q": 0, "r": 0}
    table = read(table_of(tmp_path, header + rows), "A", str.lower, lambda key: shifts[key])
    assert [record.treatment_start_s for record in table.records] == [2 * 86400 + 500, None, None]
    assert table.rejected == ()
    (without,) = read(table_of(tmp_path, HEADER + "P,60,male,adeno,II,100,1\n"), "A", str).records
    assert without.treatment_start_s is None
