"""Several tables of the same patients become features by patient, or a sentence says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.feature_tables.reading import FeatureReading, read_feature_tables
from feature_store.imaging.regions import Region
from tests.support.feature_tables import HEADER, IDENTITY, NAMES, lines, write_table

UNKNOWN = dict.fromkeys(
    ("version", "bin_width", "normalize", "normalize_scale", "spacing_mm", "interpolator"),
    "unknown",
)


def read(*tables: tuple[Path, Region | None], **stated: str) -> FeatureReading:
    return read_feature_tables(tables, "A", lambda patient: f"key of {patient}", stated)


def test_a_table_of_pyradiomics_says_itself_how_it_was_made_and_no_path_is_kept(
    tmp_path: Path,
) -> None:
    found = read((write_table(tmp_path / "a.csv", lines()), Region.GTV))
    assert [one.patient_key for one in found.patients] == [f"key of P{n}" for n in range(3)]
    assert found.patients[1].columns == {
        f"gtv:{name}": 2.5 + place / 10 for place, name in enumerate(NAMES)
    }
    assert found.settings.values == {
        "version": "3.0.1",
        "bin_width": "25",
        "normalize": "true",
        "normalize_scale": "100",
        "spacing_mm": "1 1 1",
        "interpolator": "sitkBSpline",
        "wavelet": "coif1",
        "other": "{}",
    }
    assert (found.remarks, found.rejected) == ((), ())
    assert IDENTITY not in repr((found, *(one.identity for one in found.patients)))


def test_regions_come_from_files_or_from_a_column(tmp_path: Path) -> None:
    gtv = write_table(tmp_path / "gtv.csv", lines())
    ring = write_table(tmp_path / "ring.csv", lines(2))
    by_file = read((gtv, Region.GTV), (ring, Region.RING_6MM))
    assert [len(one.columns) for one in by_file.patients] == [6, 6]
    assert by_file.rejected == (
        "1 patient of the tables does not have all features of gtv and ring_6mm and is left out.",
    )
    rows = [[name, *line] for line in lines() for name in ("GTV-1", "Ring 6 mm")]
    path = write_table(tmp_path / "both.csv", rows, ("ROI", *HEADER))
    by_column = read((path, None))
    assert [set(one.by_region) for one in by_column.patients] == [{"gtv", "ring_6mm"}] * 3
    fewer = write_table(tmp_path / "few.csv", [line[:-1] for line in lines()], HEADER[:-1])
    unlike = read((gtv, Region.GTV), (fewer, Region.RING_6MM))
    (said,) = unlike.remarks
    assert said.startswith("Of the regions gtv and ring_6mm 1 feature is in one only: they were")


def test_tables_of_one_region_are_put_side_by_side_as_published_ones_are(real_data: Path) -> None:
    tables = [(path, Region.GTV) for path in sorted((real_data / "lung1").glob("features_*.csv"))]
    found = read(*tables, **UNKNOWN, wavelet="coif1")
    assert len(found.patients) == 416
    assert {len(one.columns) for one in found.patients} == {88}
    assert "Columns without image and class that are taken for original_glcm: 24." in found.remarks
    assert (
        "Columns without image and class that are taken for wavelet-HLH_glrlm: 16." in found.remarks
    )
    assert "gtv:wavelet-HLH_glrlm_RunEntropy" in found.patients[0].columns


def test_what_tables_contradict_is_refused_with_which_of_them(tmp_path: Path) -> None:
    one, other = (write_table(tmp_path / f"{name}.csv", lines()) for name in "ab")
    with pytest.raises(FeatureTableError, match="3 features of the region gtv stand in two tables"):
        read((one, Region.GTV), (other, Region.GTV))
    narrow = [[*line[:4], line[4].replace("25}", "10}"), *line[5:]] for line in lines()]
    with pytest.raises(FeatureTableError, match="The tables say of bin_width 25 and 10"):
        read((one, Region.GTV), (write_table(other, narrow), Region.RING_6MM))
    other.write_text("PatientID\n")
    with pytest.raises(FeatureTableError, match="Table 2 of 2: The table"):
        read((one, Region.GTV), (other, Region.RING_6MM))


def test_where_no_patient_is_left_the_first_reasons_are_told(tmp_path: Path) -> None:
    rows = [[*line[:-1], "nan"] for line in lines(9)]
    with pytest.raises(FeatureTableError, match=r"^No patient can be used\. Line 2: ") as error:
        read((write_table(tmp_path / "a.csv", rows), Region.GTV))
    assert str(error.value).count("not finite") == 5
