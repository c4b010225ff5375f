"""One table as it comes from a laboratory or through a spreadsheet."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.feature_tables.one_table import OneTable, read_table, region_named
from feature_store.imaging.regions import Region
from tests.support.feature_tables import HEADER, IDENTITY, NAMES, lines, write_table


def read(path: Path, patient_column: str | None = None) -> OneTable:
    return read_table(path, Region.GTV, patient_column)


def with_commas() -> list[list[str]]:
    return [[*line[:7], *(cell.replace(".", ",") for cell in line[7:])] for line in lines()]


def test_what_a_spreadsheet_makes_of_a_table_is_read_alike(tmp_path: Path) -> None:
    expected = read(write_table(tmp_path / "a.csv", lines())).values
    assert len(expected) == 3
    for rows, how in (
        (lines(), {"encoding": "utf-8-sig"}),
        (lines(), {"delimiter": ";", "encoding": "utf-8-sig"}),
        (with_commas(), {"delimiter": ";"}),
        (lines(), {"delimiter": "\t", "encoding": "utf-16"}),
    ):
        assert read(write_table(tmp_path / "a.csv", rows, **how)).values == expected
    shouted = write_table(tmp_path / "a.csv", lines(), [name.upper() for name in HEADER])
    assert read(shouted).names == NAMES


def test_decimal_commas_and_points_in_one_table_are_refused(tmp_path: Path) -> None:
    rows = lines()
    rows[1][7] = "3,14"
    with pytest.raises(FeatureTableError, match=r"a decimal comma in line 3 .* point in line 2"):
        read(write_table(tmp_path / "a.csv", rows, delimiter=";"))


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("nan", "is empty or not finite"),
        ("-inf", "is empty or not finite"),
        ("", "is empty or not finite"),
        (IDENTITY, "(column 8) is not a number"),
        ("12-Jan", "(column 8) is not a number"),
        ("\u0661\u0662", "(column 8) is not a number"),
        ("1.234.567", "(column 8) is not a number"),
        ("1e999", "(column 8) is too large"),
    ],
)
def test_a_line_with_a_cell_that_is_no_number_is_left_out_with_its_number_and_column(
    tmp_path: Path, cell: str, sentence: str
) -> None:
    rows = lines()
    rows[1][7] = cell
    found = read(write_table(tmp_path / "a.csv", rows))
    assert [patient for _, patient in found.values] == ["P0", "P2"]
    (said,) = found.rejected
    assert said.startswith("Line 3: original_firstorder_Mean")
    assert sentence in said
    assert IDENTITY not in said


def test_a_patient_who_stands_there_twice_is_not_used(tmp_path: Path) -> None:
    rows = lines()
    rows[2][2] = "P0"
    found = read(write_table(tmp_path / "a.csv", rows))
    assert [patient for _, patient in found.values] == ["P1"]
    (said,) = found.rejected
    assert said == (
        "Line 4: patient and region gtv stand in line 2 already, so that neither line is used: "
        "keep one line for each."
    )


def test_the_patients_are_found_by_the_name_of_their_column_or_as_told(tmp_path: Path) -> None:
    unnamed = ["who" if name == "PatientID" else name for name in HEADER]
    path = write_table(tmp_path / "a.csv", lines(), unnamed)
    with pytest.raises(FeatureTableError, match="has no column that may hold Patient IDs"):
        read(path)
    assert len(read(path, "who").values) == 3
    with pytest.raises(FeatureTableError, match="expected one column called whom"):
        read(path, "whom")
    header = ("ID", "Id", "Idm", "Contrast", "Autocorrelation")
    path = write_table(tmp_path / "b.csv", [["P", "1", "2", "3", "4"]], header)
    assert read(path, "ID").names[0] == "original_glcm_Id"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The table of features is an empty file"),
        (b'{"a": 1}', "a JSON file, expected CSV: import the file that PyRadiomics wrote"),
        (b"PatientID,original_firstorder_Mean\nP\x001,2\n", "holds NUL bytes"),
        (b"PatientID,original_firstorder_Mean\n", "no line below its header"),
        (b"PatientID,age\nP1,70\n", "no column that is a radiomic feature"),
    ],
)
def test_a_file_that_is_no_table_of_features_is_named(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(FeatureTableError, match=sentence):
        read(tmp_path / "a.csv")
    with pytest.raises(FeatureTableError, match="cannot be read: No such file"):
        read(tmp_path / "absent.csv")


def test_a_region_must_be_said_and_known(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", lines())
    with pytest.raises(FeatureTableError, match="has no column that names a region"):
        read_table(path, None, None)
    rows = [[f"heart of {IDENTITY}", *lines(1)[0]], ["gtv", *lines(2)[1]]]
    found = read_table(write_table(path, rows, ("Region", *HEADER)), None, None)
    assert list(found.values) == [(Region.GTV, "P1")]
    assert found.rejected[0].startswith("Line 2: The region is none of gtv, ring_3mm")
    assert IDENTITY not in found.rejected[0]
    assert [region_named(name) for name in ("GTV-1", "ring_3mm", "Ring 9", "ring 4 mm", "")] == [
        Region.GTV,
        Region.RING_3MM,
        Region.RING_9MM,
        None,
        None,
    ]


def test_lines_that_were_made_in_two_ways_are_refused(tmp_path: Path) -> None:
    rows = lines()
    rows[1][4] = rows[1][4].replace("'binWidth': 25", "'binWidth': 10")
    with pytest.raises(FeatureTableError, match=r"lines 2 and 3 .* different ways \(bin_width\)"):
        read(write_table(tmp_path / "a.csv", rows))
