"""Tables as hospitals, TCIA, REDCap and cBioPortal write them: each is read right, or refused with
a sentence that names line and value.
"""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pytest
from openpyxl import Workbook
from openpyxl.styles import Font

from feature_store.clinical_records import ClinicalRecord, ClinicalTableError, Histology, Sex
from feature_store.clinical_tables.conventions import Conventions
from feature_store.clinical_tables.reading import TableReading, read_clinical_table

OURS = "patient_id,age,sex,histology,stage,survival_days,event\n"
TWO = "P1,66.5,male,adenocarcinoma,IIIA,365,1\nP2,70,female,squamous cell carcinoma,II,900,0\n"
DATED = "patient_id,age,sex,histology,stage,start of radiotherapy,date of death,last contact\n"
ADENO, SQUAMOUS = Histology.ADENOCARCINOMA, Histology.SQUAMOUS


def record(
    key: str = "P1",
    age: float | None = 66.5,
    sex: Sex | None = Sex.MALE,
    histology: Histology | None = ADENO,
    stage: str | None = "IIIA",
    days: float = 365.0,
    event: bool = True,
) -> ClinicalRecord:
    return ClinicalRecord(key, "A", age, sex, histology, stage, days, event)


BOTH = (record(), record("P2", 70.0, Sex.FEMALE, SQUAMOUS, "II", 900.0, event=False))


def read(tmp_path: Path, content: bytes | str, **conventions: Any) -> TableReading:
    path = tmp_path / "table"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_clinical_table(path, "A", str, lambda _: 0, Conventions(**conventions))


def without_start(reading: TableReading) -> tuple[ClinicalRecord, ...]:
    return tuple(
        ClinicalRecord(**{**one.__dict__, "treatment_start_s": None})
        for one in reading.table.records
    )


READ_RIGHT: dict[str, str | bytes] = {
    "semicolons": (OURS + TWO).replace(",", ";"),
    "tabs": (OURS + TWO).replace(",", "\t"),
    "bars": (OURS + TWO).replace(",", "|"),
    "sep=; of Excel": "sep=;\n" + (OURS + TWO).replace(",", ";"),
    "sep=, of Excel": "sep=,\r\n" + OURS + TWO,
    "decimal comma": (OURS + TWO).replace(",", ";").replace("66.5", "66,5"),
    "decimal comma between quotes": OURS + TWO.replace("66.5", '"66,5"'),
    "decimal comma and thousands with a point": (
        (OURS + TWO + "P3,61.5,m,adeno,I,1095,0\n")
        .replace(",", ";").replace("66.5", "66,5").replace("61.5", "61,5").replace("1095", "1.095")
    ),  # P3 is compared below
    "UTF-8 with mark": b"\xef\xbb\xbf" + (OURS + TWO).encode(),
    "UTF-16 of Excel's Unicode text": (OURS + TWO).replace(",", "\t").encode("utf-16"),
    "UTF-16 big-endian": b"\xfe\xff" + (OURS + TWO).encode("utf-16-be"),
    "Windows-1252 with a note": (
        OURS.replace("\n", ",note\n") + TWO.replace("\n", ",Müller\n")
    ).encode("cp1252"),
    "every cell between quotes": "".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) + "\n"
        for line in (OURS + TWO).splitlines()
    ),
    "CRLF, empty columns and lines at the end": (
        (OURS + TWO).replace("\n", ",,,\r\n") + ",,,,,,,,,\r\n,,,,,,,,,\r\n\r\n"
    ),
    "CR alone, of an old Macintosh": (OURS + TWO).replace("\n", "\r"),
    "blank lines above": "\n,,,\n" + OURS + TWO,
    "an index column of pandas": "," + OURS + "0," + TWO.replace("\nP2", "\n1,P2"),
    "capitals": OURS.upper() + TWO.upper(),
    "TCIA NSCLC-Radiomics": (
        "PatientID,age,clinical.T.Stage,Clinical.N.Stage,Clinical.M.Stage,Overall.Stage,Histology,"
        "gender,Survival.time,deadstatus.event\n"
        "P1,66.5,2,3,0,IIIa,adenocarcinoma,male,365,1\n"
        "P2,70,2,0,0,II,squamous cell carcinoma,female,900,0\n"
    ),
    "cBioPortal": (
        "#Patient Identifier\tSex\tDiagnosis Age\tStage\tOverall survival\tStatus\tHistology\n"
        "#Identifier to uniquely specify a patient\tSex\tAge\tStage\tMonths\tStatus\tType\n"
        "#STRING\tSTRING\tNUMBER\tSTRING\tNUMBER\tSTRING\tSTRING\n"
        "#1\t1\t1\t1\t1\t1\t1\n"
        "PATIENT_ID\tSEX\tAGE\tAJCC_PATHOLOGIC_TUMOR_STAGE\tOS_MONTHS\tOS_STATUS\tDFS_MONTHS\t"
        "CANCER_TYPE_DETAILED\tONCOTREE_CODE\n"
        "P1\tMale\t66.5\tSTAGE IIIA\t11.992\t1:DECEASED\t3.1\tLung Adenocarcinoma\tLUAD\n"
        "P2\tFemale\t70\tSTAGE II\t29.5688\t0:LIVING\t20.1\tLung Squamous Cell Carcinoma\tLUSC\n"
    ),
    "REDCap": (
        '"record_id","redcap_event_name","age","gender","histology","stage","survival_days",'
        '"vital_status"\n'
        '"P1","baseline_arm_1","66.5","Male","Adenocarcinoma, NOS","Stage IIIA","365","Deceased"\n'
        '"P2","baseline_arm_1","70","Female","SCC","2","900","Alive"\n'
    ),
    "codes of ICD-O-3": OURS + TWO.replace("adenocarcinoma", "8140/3").replace(
        "squamous cell carcinoma", '"Squamous cell carcinoma, NOS (8070/3)"'
    ),
    "stages of the 8th edition": OURS + TWO.replace("IIIA", "cIIIA").replace("II,9", "pII,9"),
    "yes and no under died": OURS.replace("event", "died")
    + TWO.replace(",1\n", ",yes\n").replace(",0\n", ",No\n"),
    "alive inverted": OURS.replace("event", "alive")
    + TWO.replace(",1\n", ",no\n").replace(",0\n", ",1\n"),
    "causes of death": OURS + TWO.replace(",1\n", ",Died of lung cancer\n").replace(
        ",0\n", ",Alive with disease\n"
    ),
    "dates in ISO": (
        DATED + "P1,66.5,m,adeno,IIIA,2020-01-01,2020-12-31,\n"
        "P2,70,f,squamous,II,2020-01-01T08:30:00,,2022-06-19\n"
    ),
    "dates with the day first": (
        DATED + "P1,66.5,m,adeno,IIIA,01/01/2020,31/12/2020,20/12/2020\n"
        "P2,70,f,squamous,II,13/01/2020,,01/07/2022\n"
    ),
    "dates with the month first": (
        DATED + "P1,66.5,m,adeno,IIIA,01/01/2020,12/31/2020,12/20/2020\n"
        "P2,70,f,squamous,II,01/13/2020,,7/1/2022\n"
    ),
    "dates with names of months": (
        DATED + "P1,66.5,m,adeno,IIIA,1-Jan-2020,31 Dec 2020,\n"
        'P2,70,f,squamous,II,"January 1, 2020",,19 June 2022\n'
    ),
    "dates and times of SAS and PostgreSQL": (
        DATED + "P1,66.5,m,adeno,IIIA,01JAN2020:00:00:00,31DEC2020:00:00:00,\n"
        "P2,70,f,squamous,II,2020-01-01 00:00:00+00,,2022-06-19 00:00:00+00\n"
    ),
    "dates with German names of months": (
        DATED + "P1,66.5,m,adeno,IIIA,1. Januar 2020,31. Dez. 2020,\n"
        "P2,70,f,squamous,II,1. Jan. 2020,,19. Juni 2022\n"
    ),
    "dates with French and Spanish names of months": (
        DATED + "P1,66.5,m,adeno,IIIA,1er janvier 2020,31 décembre 2020,\n"
        "P2,70,f,squamous,II,1 de enero de 2020,,19 de junio de 2022\n"
    ),
    "the end of a text of DOS": OURS + TWO + "\x1a",
    "sep=^": "sep=^\n" + (OURS + TWO).replace(",", "^"),
    "UTF-32": (OURS + TWO).encode("utf-32"),
    "blanks that do not break in the header": (OURS + TWO)
    .replace("patient_id", "patient\u00a0id").replace("survival_days", "survival\u200b_days"),
    "serial dates": (
        DATED + "P1,66.5,m,adeno,IIIA,43831,44196,\nP2,70,f,squamous,II,43831,,44731\n"
    ),
    "dates and days that agree": (
        "patient_id,age,sex,histology,stage,rt_start,date_of_death,survival_days,event\n"
        "P1,66.5,m,adeno,IIIA,2020-01-01,2020-12-31,365,1\n"
        "P2,70,f,squamous,II,2020-01-01,,900,0\n"
    ),
    "survival in years": (OURS + TWO)
    .replace("survival_days", "OS (years)").replace("365", "0.99932").replace("900", "2.46407"),
    "survival in weeks": (OURS + TWO)
    .replace("survival_days", "follow-up [weeks]").replace("365", "52.143")
    .replace("900", "128.571"),
    "two columns that say the same": OURS.replace("\n", ",Overall.Stage\n")
    + TWO.replace(",1\n", ",1,stage 3a\n").replace(",0\n", ",0,2\n"),
    "identifiers as Excel's formulas": (
        OURS + TWO.replace("P1", '"=""P1"""').replace("P2", '="P2"')
    ),
    "missing words beside": OURS + TWO.replace("\n", "\n", 1) + "P3,NA,[Not Available],?,N/A,,1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", READ_RIGHT)
def test_a_table_as_people_have_it_is_read_right(tmp_path: Path, name: str) -> None:
    reading = read(tmp_path, READ_RIGHT[name])
    records = without_start(reading)
    assert records[:2] == BOTH
    assert reading.warnings == ()
    if name == "decimal comma and thousands with a point":
        assert records[2:] == (record("P3", 61.5, stage="I", days=1095.0, event=False),)
        assert reading.table.rejected == ()
    elif name == "missing words beside":
        assert reading.table.rejected == (
            (4, "Line 4: survival_days is empty, and a patient cannot be used without it."),
        )
    else:
        assert reading.table.rejected == ()
        assert len(records) == 2


def test_a_contact_within_the_rounding_of_a_coarse_time_costs_no_row(tmp_path: Path) -> None:
    table = OURS.replace("survival_days,event\n", "OS_MONTHS,event,start of RT,last contact\n")
    rows = [
        f"P1,66,m,adeno,II,12,{event},2020-01-01,{last}\n"
        for event, last in ((1, "2020-12-31"), (1, "2021-01-20"), (1, "2020-03-01"))
    ]
    for row in rows:
        assert read(tmp_path, table + row).table.rejected == ()


def test_dates_that_are_not_needed_do_not_cost_the_row(tmp_path: Path) -> None:
    table = OURS.replace("\n", ",last follow up\n") + TWO.replace(",1\n", ",1,by GP\n").replace(
        ",0\n", ",0,03/04/20\n"
    )
    reading = read(tmp_path, table)
    assert (reading.table.records, reading.table.rejected, reading.warnings) == (BOTH, (), ())


def days(*values: str) -> str:
    """A table of ours with these survival times, from line 2 on."""
    rows = [f'P{row},66,male,adeno,II,"{value}",{row % 2}' for row, value in enumerate(values)]
    return OURS + "\n".join(rows) + "\n"


def events(name: str, *values: str) -> str:
    rows = [f"P{row},66,male,adeno,II,{400 + row},{one}" for row, one in enumerate(values)]
    return OURS.replace("event", name) + "\n".join(rows) + "\n"


def starts(*values: str) -> str:
    rows = [f"P{row},66,m,adeno,II,{one},,2022-01-01" for row, one in enumerate(values)]
    return DATED + "\n".join(rows) + "\n"


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "thousands or decimals": (
        days("365", "1.095"),
        "survival_days holds '1.095' in line 3, which may be 1095 or 1.095",
    ),
    "thousands or decimals with a comma": (
        days("1,095", "800"),
        "survival_days holds '1,095' in line 2, which may be 1095 or 1.095",
    ),
    "two decimal signs": (
        days("365,5", "100", "12.5"),
        "survival_days has a decimal comma in line 2 and a decimal point in line 4",
    ),
    "no unit": (
        (OURS + TWO).replace("survival_days", "survival_time"),
        "The column survival_time does not tell its unit: call it survival_days",
    ),
    "from diagnosis": (
        (OURS + TWO).replace("survival_days", "survival_days_from_diagnosis"),
        "counts from another day than the start of radiotherapy (diagnosis)",
    ),
    "day or month": (
        starts("03/04/2020", "05/06/2020"),
        ("Nothing in the column start of radiotherapy tells day from month, such as in line 2 "
        "('03/04/…')"),
    ),
    "both orders": (
        starts("13/04/2020", "05/16/2020"),
        "has the day first in line 2 ('13/04/…') and the month first in line 3 ('05/16/…')",
    ),
    "years of two digits": (starts("13/04/20"), "'13/04/20' in line 2, a year of two digits"),
    "events of 1 and 2": (events("event", "1", "2", "1", "2"), "holds 1 and 2 and no 0"),
    "events of 1 and a single 2": (events("event", "1", "1", "2"), "holds 1 and 2 and no 0"),
    "events of 0, 1 and 2": (
        events("event", "0", "1", "2", "2"),
        "holds 1 and 2, such as in line 4, expected 1 where the patient died",
    ),
    "a vital status of 1": (
        events("vital_status", "0", "1"),
        "vital_status holds '0' in line 2, which may mean dead or alive",
    ),
    "a vital status of yes": (
        events("Survival Status", "yes", "no"),
        "Survival Status holds 'yes' in line 2, which may mean dead or alive",
    ),
    "two columns that differ": (
        OURS.replace("\n", ",Overall.Stage\n") + TWO.replace(",1\n", ",1,II\n"),
        "stage and Overall.Stage both say stage and differ in line 2",
    ),
    "a title above": (
        "Lung cohort of 2020,,,,,,\n\n" + OURS + TWO,
        "The header seems to be in line 3 of the clinical table, expected it in line 1",
    ),
    "a header behind #": ("#" + OURS + TWO, "begins with # and counts as a comment: delete the #"),
    "transposed": (
        "patient_id,P1,P2\nage,66,70\nsex,m,f\nhistology,adeno,scc\nevent,1,0\n",
        "stand below each other in the first column",
    ),
    "M and V, Dutch or Spanish": (
        OURS + TWO.replace("female", "V").replace("male", "M"),
        "The column sex holds M in line 2 and V in line 3, which mean man and woman in Dutch",
    ),
    "H and M of Spanish": (
        OURS + TWO.replace("female", "M").replace("male", "H"),
        "The column sex holds M in line 3 and H in line 2, which mean woman and man in Spanish",
    ),
    "V and H of Spanish": (
        OURS + TWO.replace("female", "H").replace("male", "V"),
        "The column sex holds V in line 2 and H in line 3, which mean man and woman in Spanish",
    ),
    "V and S of Latvian": (
        OURS + TWO.replace("female", "S").replace("male", "V"),
        "The column sex holds V in line 2 and S in line 3, which mean man and woman in Latvian",
    ),
    "F and N of Hungarian": (
        OURS + TWO.replace("female", "N").replace("male", "F"),
        "The column sex holds F in line 2 and N in line 3, which mean man and woman in Hungarian",
    ),
    "two columns of one name that differ": (
        OURS.replace("\n", ",age\n") + TWO.replace(",1\n", ",1,12\n").replace(",0\n", ",0,70\n"),
        "The columns age and age both say age and differ in line 2",
    ),
    "an identifier of the hospital beside one of the study": (
        OURS.replace("patient_id", "patient_id,MRN") + TWO.replace("P1", "P1,77").replace(
            "P2", "P2,78"
        ),
        "The columns patient_id and MRN both say patient_id and differ in line 2",
    ),
    "age in months": (
        (OURS + TWO).replace("age,", "age (months),", 1),
        "lacks 1 column: age. Its header in line 1 has 7 columns. Its other columns are age (mo",
    ),
    "1 for alive in brackets": (
        (OURS + TWO).replace("event", "status (1=alive)"),
        "Its other columns are status (1=alive)",
    ),
    "Shift-JIS": (
        (OURS.replace("\n", ",備考\n") + TWO.replace("\n", ",良\n")).encode("cp932"),
        "neither UTF-8 (line 1) nor Windows-1252",
    ),
    "no header": (TWO, "lacks 7 columns: patient_id (PatientID, record_id …); age"),
    "other names": (
        (OURS + TWO).replace("stage", "Stadium"),
        ("lacks 1 column: stage (Overall.Stage). Its header in line 1 has 7 columns. Its other "
        "columns are Stadium. Add the missing ones"),
    ),
    "REDCap with several rows": (
        OURS.replace("\n", ",redcap_event_name\n")
        + TWO.replace("P2", "P1").replace(",1\n", ",1,a\n").replace(",0\n", ",0,b\n"),
        "export of REDCap with several rows for a patient, such as line 2",
    ),
    "a second header of units": (
        OURS.replace("survival_days", "Survival.time") + ",years,,,,months,\n" + TWO,
        "Survival.time is in days by its name and in months by line 2: say the unit in the name",
    ),
    "lines between quotes": (
        "".join(f'"{line}"\n' for line in (OURS + TWO).splitlines()),
        "of the clinical table in line 1 is one cell: expected names separated by commas",
    ),
    "blanks of a fixed width": ((OURS + TWO).replace(",", "   "), "in line 1 is one cell"),
    "a second table below": (
        OURS + TWO + ",,,,,,\nControls,,,,,,\n" + OURS + TWO,
        "The header of the clinical table stands again in line 6, as if a second table began",
    ),
    "a quote left open": (OURS + TWO.replace("male", '"male', 1), "cannot be read in line 3"),
    "UTF-16 without a mark": ((OURS + TWO).encode("utf-16-le"), "UTF-16 without byte-order mark"),
    "names of rows of R": (
        OURS.replace(",", "\t") + "1\tP1\t66\tm\tadeno\tII\t365\t1\n",
        "Every line of the clinical table has 8 cells below a header of 7, as R writes a table",
    ),
    "a decimal comma between commas": (
        OURS + TWO.replace("66.5", "66,5").replace(",70,", ",70,0,"),
        "Or a decimal comma parts a number: separate cells by semicolons",
    ),
    "a transport file of SAS": (
        b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!0000" + bytes(40),
        "is a transport file of SAS (XPT)",
    ),
    "an older file of Stata": (b"\x72\x02\x01\x00" + bytes(40), "is a Stata file"),
    "a PDF": (b"%PDF-1.7\n", "The clinical table is a PDF, expected CSV or .xlsx. Save the table"),
    "an old workbook": (
        b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "Workbook".encode("utf-16-le"),
        "is an old Excel workbook (.xls), expected CSV or .xlsx",
    ),
    "a workbook with a password": (
        b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"),
        "protected by a password",
    ),
    "HTML called .xls": ("<html><table><tr><td>P1", "is a web page (HTML)"),
    "JSON": ('[{"patient_id": "P1"}]', "is a JSON file"),
    "a damaged workbook": (b"PK\x03\x04 cut", "is a damaged Excel workbook or ZIP file"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_leaves_something_open_is_refused(tmp_path: Path, name: str) -> None:
    content, sentence = REFUSED[name]
    with pytest.raises(ClinicalTableError) as refused:
        read(tmp_path, content)
    assert sentence in str(refused.value)


REJECTED: dict[str, tuple[str, str]] = {
    "scientific notation": (
        days("365", "1.1E+03"),
        "survival_days is '1.1E+03', expected a number.",
    ),
    "a unit in the cell": (days("365", "12 months"), "survival_days is '12 months', expected"),
    "words in event": (
        events("event", "1", "lost to follow up"),
        "event is 'lost to follow up', expected dead or 1 where the patient died",
    ),
    "code and word that contradict": (events("OS_STATUS", "1:DECEASED", "1:LIVING"), "OS_STATUS"),
    "a shortened identifier": (
        OURS + TWO.replace("P2", "1.2E+11"),
        "The Patient ID was shortened by a spreadsheet (1.2E+11)",
    ),
    "an identifier with a hidden character": (
        OURS + TWO.replace("P2", "P\u200b2"),
        "The Patient ID holds a character that cannot be seen",
    ),
    "an identifier as a number of SPSS": (
        (OURS + TWO.replace("66.5", "66")).replace(",", ";").replace("P2", "1002,00"),
        "ends with .0 or ,00",
    ),
    "an identifier as a number": (OURS + TWO.replace("P2", "1002.0"), "ends with .0"),
    "a line commented out": (OURS + TWO.replace("P2", "#P2"), "it has a comment or the name of"),
    "a line of means": (OURS + TWO.replace("P2", "Mean"), "a comment or the name of a summary"),
    "an apostrophe": (OURS + TWO.replace("P2", "'0012"), "The Patient ID stands in quotes"),
    "an unquoted comma": (
        OURS + TWO.replace("squamous cell carcinoma", "Squamous cell carcinoma, NOS"),
        "It has 8 cells, expected 7 as in the header.",
    ),
    "a death before the start": (
        DATED
        + "P1,66,m,adeno,II,2020-01-01,2020-12-31,\n"
        "P2,66,m,adeno,II,2020-01-01,2019-01-01,\n",
        "date of death lies before start of radiotherapy",
    ),
    "a contact after the death that a time tells": (
        OURS.replace("\n", ",start of RT,last contact\n")
        + "P1,66,m,adeno,II,365,1,2020-01-01,2020-12-20\n"
        "P2,66,m,adeno,II,100,1,2020-01-01,2021-06-01\n",
        ("survival_days says a death after 100 days and last contact lies 517 days after start of "
        "RT, expected no contact after death: mend either."),
    ),
    "a date that does not exist": (
        DATED
        + "P1,66,m,adeno,II,2020-01-01,2020-12-31,\n"
        "P2,66,m,adeno,II,2020-01-01,2020-02-30,\n",
        "date of death is '…-02-30', expected a date like 2026-01-31.",
    ),
    "a date in the future": (
        DATED
        + "P1,66,m,adeno,II,2020-01-01,2020-12-31,\n"
        "P2,66,m,adeno,II,2020-01-01,,9999-12-31\n",
        "last contact lies in the future.",
    ),
    "a year of the Islamic calendar": (
        DATED
        + "P1,66,m,adeno,II,2020-01-01,2020-12-31,\n"
        "P2,66,m,adeno,II,1441-05-06,1442-05-17,\n",
        "start of radiotherapy has a year before 1900, expected a date of the Gregorian calendar",
    ),
    "a year of the Buddhist calendar": (
        DATED
        + "P1,66,m,adeno,II,2020-01-01,2020-12-31,\n"
        "P2,66,m,adeno,II,2563-01-01,2563-12-31,\n",
        "start of radiotherapy lies in the future.",
    ),
    "a date in signs of Japanese": (
        DATED
        + "P1,66,m,adeno,II,2020-01-01,2020-12-31,\n"
        "P2,66,m,adeno,II,2020年1月1日,2020-12-31,\n",
        "start of radiotherapy is a text of 6 characters, expected a date like 2026-01-31.",
    ),
    "a line parted otherwise": (
        OURS + TWO.replace("P2,70,female,", "P2;70;female;").replace("a,II,900,0", "a;II;900;0"),
        "It has 1 cell, expected 7 as in the header.",
    ),
    "digits that are none of ASCII": (days("365", "٣٦٥"), "survival_days is '٣٦٥', expected a"),
    "days that differ from the dates": (
        ("patient_id,age,sex,histology,stage,rt_start,date_of_death,survival_days,event\n"
        "P1,66,m,adeno,IIIA,2020-01-01,2020-12-31,365,1\n"
        "P2,66,m,adeno,IIIA,2020-01-01,2020-12-31,12,1\n"),
        "survival_days says 12 days and the dates say 365, expected the same",
    ),
    "alive with a date of death": (
        ("patient_id,age,sex,histology,stage,rt_start,date_of_death,survival_days,event\n"
        "P1,66,m,adeno,IIIA,2020-01-01,2020-12-31,365,1\n"
        "P2,66,m,adeno,IIIA,2020-01-01,2020-12-31,365,0\n"),
        "event says alive and date_of_death gives a date of death.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_a_row_that_cannot_be_used_is_named_by_line_and_value(tmp_path: Path, name: str) -> None:
    content, sentence = REJECTED[name]
    reading = read(tmp_path, content)
    assert len(reading.table.records) == 1
    ((line, said),) = reading.table.rejected
    assert (line, said.startswith("Line 3: ")) == (3, True)
    assert sentence in said


def test_words_that_the_model_does_not_need_do_not_cost_the_row(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        OURS + "P1,unknown age,unsure,adenocarcinoma?,T2N1M0,365,1\n"
        "P2,90+,2,Jansen,IIIA-IIIB,400,0\nP3,66,m,SCC,5,10,1\nP4,66,m,8140/3,3,10,1\n",
    )
    assert reading.table.rejected == ()
    assert reading.table.records == (
        record(age=None, sex=None, histology=None, stage=None),
        record("P2", None, None, None, None, 400.0, event=False),
        record("P3", 66.0, histology=SQUAMOUS, stage=None, days=10.0),
        record("P4", 66.0, stage=None, days=10.0),  # a column with a 5 holds codes
    )
    assert reading.warnings == (
        (
            "2 values of age could not be read and count as not recorded: a text of 11 "
            "characters in line 2, '90+' in line 3."
        ),
        (
            "2 values of sex could not be read and count as not recorded: 'unsure' in line 2, "
            "'2' in line 3."
        ),
        (
            "2 values of histology could not be read and count as not recorded: 'adenocarcinoma?' "
            "in line 2, a text of 6 characters in line 3."
        ),
        (
            "4 values of stage could not be read and count as not recorded: 'T2N1M0' in line 2, "
            "'IIIA-IIIB' in line 3, '5' in line 4, '3' in line 5."
        ),
    )


def test_an_age_that_nobody_has_is_not_recorded_and_does_not_cost_the_row(tmp_path: Path) -> None:
    ages = ("999", "-1", "1954", "121", "0", "120")
    rows = [f"P{number},{age},m,adeno,IIIA,365,1" for number, age in enumerate(ages)]
    reading = read(tmp_path, OURS + "\n".join(rows))
    assert reading.table.rejected == ()
    assert [one.age for one in reading.table.records] == [None, None, None, None, 0.0, 120.0]
    assert reading.warnings == (
        (
            "4 values of age could not be read and count as not recorded: '999' in line 2, '-1' in "
            "line 3, '1954' in line 4, '121' in line 5."
        ),
    )


def test_a_centre_says_what_its_names_and_codes_mean(tmp_path: Path) -> None:
    table = (
        "Nr;Alter;Geschlecht;Histo;OS Monate;Status;Beginn RT;age\n"
        "P1;66,5;1;A;12,0;1;03/04/2020;7\nP2;70;2;P;23,0;2;05/06/2020;7\n"
    )
    conventions = {
        "columns": {
            "patient_id": "Nr", "age": "Alter", "sex": "Geschlecht", "histology": "Histo",
            "survival_months": "OS Monate", "event": "Status", "stage": "",
            "radiotherapy_start": "Beginn RT",
        },
        "codes": {
            "sex": {"1": "male", "2": "female"}, "histology": {"a": "LUAD", "P": "SCC"},
            "event": {"1": "dead", "2": "alive"},
        },
        "dates": "day-first",
    }  # fmt: skip
    reading = read(tmp_path, table, **conventions)
    assert reading.table.rejected == ()
    assert without_start(reading) == (
        record(stage=None),
        record("P2", 70.0, Sex.FEMALE, SQUAMOUS, None, 700.0, event=False),
    )
    began = [one.treatment_start_s for one in reading.table.records]
    assert began == [
        (day - date(1970, 1, 1)).days * 86400 for day in (date(2020, 4, 3), date(2020, 6, 5))
    ]
    with pytest.raises(ClinicalTableError, match="has no column Nummer, expected the one that"):
        read(tmp_path, table, columns={"patient_id": "Nummer"})


HEADER = ["patient_id", "age", "sex", "histology", "stage", "survival_days", "event"]
ROWS: list[list[Any]] = [
    ["P1", 66.5, "male", "adenocarcinoma", "IIIA", 365, 1],
    ["P2", 70, "female", "squamous cell carcinoma", 2, "900", "0"],
]


def workbook(
    change: Callable[[Workbook], None] = lambda _: None, rows: list[list[Any]] | None = None
) -> bytes:
    book = Workbook()
    book.active.title = "Cohort"
    for row in [HEADER, *ROWS] if rows is None else rows:
        book.active.append(row)
    change(book)
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def second_sheet(book: Workbook) -> None:
    book.create_sheet("Legend").append(["code", "meaning"])


def beside(book: Workbook) -> None:
    book.active["J2"], book.active["J5"] = "called the GP", "total 2"


def _dated() -> list[list[Any]]:
    start = datetime(2020, 1, 1)  # noqa: DTZ001 - as Excel has it
    return [
        [*HEADER[:5], "RT start", "Date of death", "Last contact"],
        ["P1", 66.5, "m", "adeno", "IIIA", start, date(2020, 12, 31), None],
        ["P2", 70, "f", "scc", "II", start, None, 44731],
    ]


WORKBOOKS_READ = {
    "plain": workbook(),
    "with another sheet": workbook(second_sheet),
    "with notes beside": workbook(beside),
    "with dates": workbook(rows=_dated()),
    "below empty lines": workbook(rows=[[], [], [None, *HEADER], *([None, *row] for row in ROWS)]),
}


@pytest.mark.parametrize("name", WORKBOOKS_READ)
def test_a_workbook_is_read_right(tmp_path: Path, name: str) -> None:
    reading = read(tmp_path, WORKBOOKS_READ[name])
    assert reading.table.rejected == ()
    assert without_start(reading) == BOTH
    assert reading.warnings == ()


def test_identifiers_keep_the_zeros_that_excel_shows(tmp_path: Path) -> None:
    rows = [HEADER, *([17 + place, *row[1:]] for place, row in enumerate(ROWS))]
    content = workbook(lambda book: setattr(book.active["A2"], "number_format", "00000"), rows)
    reading = read(tmp_path, content)
    assert [one.patient_key for one in reading.table.records] == ["00017", "18"]
    content = workbook(lambda book: setattr(book.active["A2"], "number_format", '"P"0000'), rows)
    ((line, sentence),) = read(tmp_path, content).table.rejected
    assert (line, "a number with decimals or a format" in sentence) == (2, True)


def test_a_time_shown_in_another_unit_than_its_column_is_refused(tmp_path: Path) -> None:
    def formatted(number_format: str) -> bytes:
        return workbook(lambda book: setattr(book.active["F2"], "number_format", number_format))

    for number_format in ('0 "months"', '#,##0" mo"', '[=1]0 "month";0 "months"'):
        with pytest.raises(ClinicalTableError) as refused:
            read(tmp_path, formatted(number_format))
        assert str(refused.value) == (
            "The column survival_days is in days by its name and line 2 shows months by the format "
            "of its number: say the unit in the name, such as survival_months, or mend the format."
        )
    for number_format in ('0 "days"', '0 "(checked)"', "#,##0", '0" d"'):
        assert read(tmp_path, formatted(number_format)).table.records == BOTH


def hidden(book: Workbook) -> None:
    book.active.row_dimensions[3].hidden = True


def hidden_column(book: Workbook) -> None:
    book.active.column_dimensions.group("F", "G", hidden=True)


def formatted(cell: str, number_format: str) -> Callable[[Workbook], None]:
    return lambda book: setattr(book.active[cell], "number_format", number_format)


def as_per_cent(book: Workbook) -> None:
    for line in (2, 3):
        cell = book.active[f"B{line}"]
        cell.value, cell.number_format = cell.value / 100, "0%"


def another_year(book: Workbook) -> None:
    other = book.create_sheet("2021")
    for row in book.active.iter_rows(values_only=True):
        other.append(row)


def struck_through(book: Workbook) -> None:
    for cell in book.active[3]:
        cell.font = Font(strike=True)


def group_above(book: Workbook) -> None:
    book.active.insert_rows(1)
    book.active["F1"] = "Follow-up"
    book.active.merge_cells("F1:G1")


def renamed(book: Workbook) -> None:
    book.active.append(["x"])
    book.move_sheet(book.create_sheet("Notes"), -1)
    book["Notes"].append(["made", "by", "us"])


def out_of_sight(book: Workbook) -> None:
    second_sheet(book)
    book["Cohort"].sheet_state = "hidden"


WORKBOOKS_REFUSED: dict[str, tuple[Callable[[Workbook], Any], str]] = {
    "a hidden row": (hidden, "1 row of the clinical table is hidden, the first is line 3"),
    "hidden columns": (
        hidden_column,
        "2 columns of the clinical table are hidden (survival_days, event)",
    ),
    "an age as per cent": (
        as_per_cent,
        "B2 of the clinical table holds a number that the workbook shows as per cent",
    ),
    "times in thousands": (formatted("F2", "0.0,"), "The cell F2 of the clinical table holds"),
    "a word for a number": (formatted("G2", '[=1]"alive";[=0]"dead"'), "shows as a word"),
    "a number that is not shown": (formatted("G2", ";;;"), "shows as nothing"),
    "an age in months": (
        formatted("B2", '0" months"'),
        "line 2 shows months by the format of its number: write ages in years, or mend the format.",
    ),
    "two sheets with patients": (
        another_year,
        "a clinical table on the sheets Cohort, 2021, and nobody can tell which counts",
    ),
    "a row struck through": (
        struck_through,
        "1 row of the clinical table is struck through, the first is line 3",
    ),
    "a merged cell above the header": (
        group_above,
        "The cells F1:G1 of the clinical table are merged",
    ),
    "merged cells": (
        lambda book: book.active.merge_cells("C2:C3"),
        "The cells C2:C3 of the clinical table are merged",
    ),
    "a formula that was never computed": (
        lambda book: setattr(book.active["F3"], "value", "=B3*365"),
        "The cell F3 holds a formula without a stored value",
    ),
    "the table on the second sheet": (renamed, "The sheet Notes has no header of a clinical table"),
    "a hidden first sheet": (
        out_of_sight,
        "The first sheet of the workbook, Cohort, is hidden",
    ),
}


@pytest.mark.parametrize("name", WORKBOOKS_REFUSED)
def test_a_workbook_that_hides_something_is_refused(tmp_path: Path, name: str) -> None:
    change, sentence = WORKBOOKS_REFUSED[name]
    with pytest.raises(ClinicalTableError) as refused:
        read(tmp_path, workbook(change))
    assert sentence in str(refused.value)


def test_one_of_two_sheets_with_patients_is_read_where_it_is_named(tmp_path: Path) -> None:
    reading = read(tmp_path, workbook(another_year), sheet="Cohort")
    assert without_start(reading) == BOTH


def test_a_time_that_ends_after_today_is_refused(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    rows = [
        [*HEADER, "RT start"],
        [*ROWS[0], today - timedelta(days=int(ROWS[0][5]) - 30)],
        [*ROWS[1], today - timedelta(days=int(ROWS[1][5]))],
    ]
    reading = read(tmp_path, workbook(rows=rows))
    ((line, sentence),) = reading.table.rejected
    assert line == 2
    assert "which end in the future by RT start" in sentence
    assert len(reading.table.records) == 1


def test_a_sheet_is_read_by_its_name(tmp_path: Path) -> None:
    content = workbook(renamed)
    assert len(read(tmp_path, content, sheet="Cohort").table.records) == 2
    with pytest.raises(ClinicalTableError, match="no sheet Cohorte: it has Notes, Cohort"):
        read(tmp_path, content, sheet="Cohorte")


@pytest.mark.parametrize(
    ("entry", "content", "name"),
    [
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet", "(.ods)"),
        ("word/document.xml", b"", "a Word document (.docx)"),
        ("xl/workbook.bin", b"", "(.xlsb)"),
        ("clinical.csv", b"", "a ZIP archive"),
    ],
)
def test_what_is_packed_is_named(tmp_path: Path, entry: str, content: bytes, name: str) -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(entry, content)
    with pytest.raises(ClinicalTableError) as refused:
        read(tmp_path, file.getvalue())
    assert name in str(refused.value)


@pytest.mark.real_data
def test_a_published_table_that_is_no_clinical_one_is_refused(real_data: Path) -> None:
    for file in sorted((real_data / "lung1").glob("features_*.csv")):
        with pytest.raises(ClinicalTableError, match=r"lacks 6 columns: age; sex \(gender\)"):
            read_clinical_table(file, "A", str)


IN_THEIR_WORDS = {
    "German": ("männlich", "Adenokarzinom", "Stadium IIIA", "verstorben", "weiblich",
               "Plattenepithelkarzinom", "Stadium II", "lebt"),
    "French": ("Homme", "Adénocarcinome", "Stade IIIA", "Décédée", "Femme",
               "Carcinome épidermoïde", "Stade II", "Vivant"),
    "Spanish": ("Varón", "Adenocarcinoma de pulmón", "Estadio IIIA", "Fallecido", "Mujer",
                "Carcinoma de células escamosas", "Estadio II", "Vivo"),
    "Italian": ("Maschio", "Adenocarcinoma polmonare", "Stadio IIIA", "Deceduto", "Femmina",
                "Carcinoma squamoso", "Stadio II", "Vivo"),
    "Portuguese": ("Masculino", "Adenocarcinoma", "Estádio IIIA", "Óbito", "Feminino",
                   "Carcinoma espinocelular", "Estádio II", "Viva"),
    "Dutch": ("man", "Adenocarcinoom", "IIIA", "overleden", "vrouw",
              "Plaveiselcelcarcinoom", "II", "in leven"),
    "Polish": ("Mężczyzna", "Gruczolakorak", "IIIA", "Zmarł", "Kobieta",
               "Rak płaskonabłonkowy", "II", "Żyje"),
    "Chinese": ("男", "腺癌", "ⅢA期", "死亡", "女", "鳞癌", "Ⅱ期", "存活"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", IN_THEIR_WORDS)
def test_a_table_in_another_language_is_read_whole(
    tmp_path: Path, language: str, form: Literal["NFC", "NFD"]
) -> None:
    one, two = IN_THEIR_WORDS[language][:4], IN_THEIR_WORDS[language][4:]
    rows = [("P1", "66.5", *one[:3], "365", one[3]), ("P2", "70", *two[:3], "900", two[3])]
    content = OURS.replace("event", "vital status") + "".join(",".join(row) + "\n" for row in rows)
    reading = read(tmp_path, unicodedata.normalize(form, content))
    assert (reading.table.records, reading.warnings) == (BOTH, ())


@pytest.mark.parametrize(
    ("yes", "no"), [("Sí", "No"), ("sì", "no"), ("sim", "não"), ("tak", "nie"), ("WAHR", "FALSCH")]
)
def test_yes_and_no_are_read_together_or_not_at_all(tmp_path: Path, yes: str, no: str) -> None:
    content = (OURS.replace("event", "died") + TWO).replace(",1\n", f",{yes}\n")
    assert read(tmp_path, content.replace(",0\n", f",{no}\n")).table.records == BOTH


@pytest.mark.parametrize("histology", ["no escamoso", "non squamoso", "kein Adenokarzinom"])
def test_what_is_none_in_another_language_is_not_taken_for_it(
    tmp_path: Path, histology: str
) -> None:
    reading = read(tmp_path, OURS + TWO.replace("squamous cell carcinoma", histology))
    assert reading.table.records[1].histology is None


@pytest.mark.parametrize("zeros", [",00", ".0", ".00", ""])
def test_a_code_is_the_same_with_decimals_of_zero(tmp_path: Path, zeros: str) -> None:
    """SPSS writes 1,00 and ,00 and pandas 1.0 for codes of 1 and 0."""
    rows = f"P1;66;1{zeros};8140{zeros};3{zeros};365{zeros};1{zeros}\n"
    rows += f"P2;70;2{zeros};8070{zeros};2{zeros};900{zeros};{zeros or '0'}\n"
    codes = {"sex": {"1": "male", "2": "female"}}
    reading = read(tmp_path, OURS.replace(",", ";") + rows, codes=codes)
    one, two = reading.table.records
    assert (one.sex, one.histology, one.stage, one.event) == (Sex.MALE, ADENO, "III", True)
    assert (two.sex, two.histology, two.stage, two.event) == (Sex.FEMALE, SQUAMOUS, "II", False)
    assert (one.survival_days, reading.warnings) == (365.0, ())


@pytest.mark.parametrize(
    ("dead", "alive"),
    [
        ("verstorben an Tumor", "lebt mit Tumor"),
        ("décédé d'un cancer", "vivante sans récidive"),
        ("fallecido por cáncer", "vivo con enfermedad"),
        ("deceduto per altra causa", "vivo con malattia"),
    ],
)
def test_causes_of_death_are_read_in_other_languages(tmp_path: Path, dead: str, alive: str) -> None:
    records = read(tmp_path, events("vital status", dead, alive)).table.records
    assert [one.event for one in records] == [True, False]


def test_two_words_that_contradict_are_not_read(tmp_path: Path) -> None:
    reading = read(tmp_path, events("vital status", "dead", "alive with tumour deceased"))
    assert len(reading.table.records) == 1
