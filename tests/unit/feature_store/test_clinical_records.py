"""Clinical tables: Lung1 as published, our own names, and rows that cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from feature_store.clinical_records import (
    ClinicalRecord,
    ClinicalTableError,
    Histology,
    Sex,
    StageGroup,
    eligible,
    read_clinical_csv,
)

HEADER = "patient_id,age,sex,histology,stage,survival_days,event\n"
GOOD = ClinicalRecord("k", "A", 66.5, Sex.MALE, Histology.ADENOCARCINOMA, "IIIA", 500.0, True)


def table_of(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "clinical.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_lung1_gives_the_papers_203_patients_with_184_deaths(real_data: Path) -> None:
    table = read_clinical_csv(
        real_data / "lung1" / "clinical.csv", "maastro", lambda patient: patient[::-1]
    )
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
    table = read_clinical_csv(path, "A", str.lower)
    assert table.rejected == ()
    assert table.records == (
        ClinicalRecord("p1", "A", 55.0, Sex.FEMALE, Histology.SQUAMOUS, "IIIA", 12.5, False),
        ClinicalRecord("p2", "A", None, Sex.FEMALE, None, None, 900.0, True),
    )


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("P,60,male,adeno,II,0,1", "the survival time is 0.0 days: expected a number above 0"),
        ("P,60,male,adeno,II,-3,1", "the survival time is -3.0 days"),
        ("P,60,male,adeno,II,inf,1", "the survival time is inf days"),
        ("P,60,male,adeno,II,,1", "survival_days is empty"),
        ("P,60,male,adeno,II,NaN,1", "survival_days is empty"),
        ("P,60,male,adeno,II,100,", "event is empty"),
        ("P,60,male,adeno,II,100,2", "event is none of the expected 1, true"),
        ("P,600,male,adeno,II,100,1", "the age is 600.0: expected 0 to 120 years"),
        ("P,old,male,adeno,II,100,1", "age holds text of 3 characters, expected a number"),
        ("P,60,unsure,adeno,II,100,1", "sex is none of the expected"),
        ("P,60,male,adeno,5,100,1", "stage is none of the expected"),
        (",60,male,adeno,II,100,1", "patient_id is empty"),
        ("P,60,male,adeno,II,100", "it has 6 cells, expected 7 as in the header"),
        ("Q,60,male,adeno,II,100,1", "the patient occurs already in line 2: keep one row"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_line(
    tmp_path: Path, row: str, complaint: str
) -> None:
    table = read_clinical_csv(
        table_of(tmp_path, f"{HEADER}Q,60,male,adeno,II,100,1\n{row}\n"), "A", str
    )
    assert [record.patient_key for record in table.records] == ["Q"]
    ((line, sentence),) = table.rejected
    assert line == 3
    assert sentence.startswith(f"Line 3: {complaint}")


def test_no_sentence_shows_what_may_be_an_identifier(tmp_path: Path) -> None:
    shifted = "60,SECRET^NAME,SECRET^NAME,SECRET^NAME,SECRET^NAME,SECRET^NAME,SECRET^NAME\n"
    rows = [shifted]
    for place in range(7):
        cells = ["P", "60", "male", "adeno", "II", "100", "1"]
        cells[place] = "SECRET^NAME"
        rows.append(",".join(cells) + "\n")
    table = read_clinical_csv(table_of(tmp_path, HEADER + "".join(rows)), "A", lambda _: "key")
    assert len(table.rejected) == 7
    assert all("SECRET" not in sentence for _, sentence in table.rejected)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "lacks 7 columns"),
        (
            b"patient_id,age,sex,histology,stage,event\n",
            r"lacks 1 columns: survival_days or Survival\.time",
        ),
        (
            HEADER.encode().replace(b"stage", b"stage,Overall.Stage"),
            "2 columns for stage: keep one",
        ),
        (HEADER.encode() + b"\xff\xfe,1\n", "not CSV in UTF-8"),
        (HEADER.encode() + b'P,"60,male\n', "not CSV in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "clinical.csv"
    path.write_bytes(content)
    with pytest.raises(ClinicalTableError, match=complaint):
        read_clinical_csv(path, "A", str)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClinicalTableError, match="cannot be read: No such file"):
        read_clinical_csv(tmp_path / "none.csv", "A", str)


def with_(**changes: object) -> ClinicalRecord:
    return ClinicalRecord(**{**GOOD.__dict__, **changes})


def test_inclusion_follows_the_paper() -> None:
    assert eligible(GOOD).eligible
    assert eligible(with_(histology=Histology.SQUAMOUS)).eligible
    assert eligible(with_(age=18.1)).eligible
    assert eligible(with_(age=None)).eligible
    assert (
        eligible(with_(age=18.0)).reason == "age is 18 years; included are patients older than 18"
    )
    assert "not recorded" in str(eligible(with_(histology=None)).reason)
    assert eligible(with_(sex=None, stage=None)).reason == (
        "the clinical record is not complete: sex and stage not recorded"
    )


def test_stages_are_grouped_as_in_the_subgroup_analysis() -> None:
    groups = {
        stage: with_(stage=stage).stage_group
        for stage in ("I", "IB", "IIA", "IIIA", "IIIC", "IV", None)
    }
    assert groups == {
        "I": StageGroup.EARLY, "IB": StageGroup.EARLY, "IIA": StageGroup.EARLY,
        "IIIA": StageGroup.ADVANCED, "IIIC": StageGroup.ADVANCED, "IV": None, None: None,
    }  # fmt: skip


@pytest.mark.parametrize("days", [0.0, -1.0, math.nan, math.inf])
def test_a_record_without_follow_up_cannot_exist(days: float) -> None:
    with pytest.raises(ValueError, match="survival time"):
        with_(survival_days=days)


def test_events_of_one_and_two_are_refused_as_a_whole(tmp_path: Path) -> None:
    rows = [f"P{row},60,male,adeno,II,{row + 1},{1 + row % 2}\n" for row in range(6)]
    with pytest.raises(ClinicalTableError, match="holds 1 and 2 and no 0, expected 1 where"):
        read_clinical_csv(table_of(tmp_path, HEADER + "".join(rows)), "A", str)


def test_the_start_of_radiotherapy_is_kept_on_the_clock_of_the_patient(tmp_path: Path) -> None:
    header = HEADER.rstrip() + ",radiotherapy_start\n"
    rows = "P,60,male,adeno,II,100,1,1970-01-03\nQ,60,male,adeno,II,100,1,\n"
    rows += "R,60,male,adeno,II,100,1,3 January\n"
    shifts = {"p": 500, "q": 0}
    table = read_clinical_csv(
        table_of(tmp_path, header + rows), "A", str.lower, lambda key: shifts[key]
    )
    assert [record.treatment_start_s for record in table.records] == [2 * 86400 + 500, None]
    assert table.rejected == (
        (4, "Line 4: radiotherapy_start is no date, expected one like 2026-01-31."),
    )
    (without,) = read_clinical_csv(
        table_of(tmp_path, HEADER + "P,60,male,adeno,II,100,1\n"), "A", str
    ).records
    assert without.treatment_start_s is None
