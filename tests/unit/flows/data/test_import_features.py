"""Features that were made elsewhere are kept under pseudonyms, once, with where they come from; who
was erased does not come back with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prefect.logging import disable_run_logger

from dicom_node.pseudonym import patient_key
from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.study_identity import StudyIdentity
from flows.data.import_features import import_features, region_and_file, statements
from flows.data.remove_clinical import Unwanted, records_to_remove
from flows.erasure.erase import erase_person, erasure_in
from flows.erasure.person import find_person, found_in_words
from flows.installation import Installation, installation
from tests.support.feature_tables import IDENTITY, NAMES, lines, write_table

KEY = "0123456789abcdef"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[center.B]\nae_titles = ['B']\n"
    )
    monkeypatch.setenv("ANNULUS_SETTINGS", str(tmp_path / "annulus.toml"))
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", KEY)
    installation.cache_clear()
    yield installation()
    installation.cache_clear()


def imported(table: str, *stated: str) -> str:
    """Import a table of centre B; return the message of the run's state."""
    with disable_run_logger():
        return import_features.fn("B", [table], stated).message or ""


def key_of(patient: str) -> str:
    return patient_key(KEY.encode(), "B", patient)


def test_a_table_is_kept_once_and_a_corrected_one_takes_its_place(
    work: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_table(tmp_path / "b.csv", lines())
    assert imported(f"gtv={path}") == (
        "3 features of gtv of 3 patients of centre B imported, made elsewhere (PyRadiomics 3.0.1): "
        "3 new or changed, 0 as before"
    )
    versions = work.store.versions()
    assert "0 new or changed, 3 as before" in imported(f"gtv={path}")
    assert work.store.versions() == versions
    rows = lines()
    rows[1][7] = "99.5"
    assert "1 new or changed" in imported(f"gtv={write_table(path, rows)}")
    kept = {one.patient_key: one for one in work.store.imported("B")}
    assert set(kept) == {key_of(f"P{number}") for number in range(3)}
    assert kept[key_of("P1")].columns[f"gtv:{NAMES[0]}"] == 99.5
    assert "1 new or changed" in imported(f"gtv={write_table(path, lines())}")
    back = {one.patient_key: one for one in work.store.imported("B")}
    assert back[key_of("P1")].columns[f"gtv:{NAMES[0]}"] == 2.5
    (row,) = work.store.rows("imported_features", {"patient_key": key_of("P0")}).to_pylist()
    assert row["origin"] == "PyRadiomics 3.0.1"
    files = (tmp_path / "node").rglob("*")
    assert not any(IDENTITY.encode() in one.read_bytes() for one in files if one.is_file())
    assert IDENTITY not in caplog.text


def test_patients_whose_images_are_measured_here_keep_those_features(
    work: Installation, tmp_path: Path
) -> None:
    study = StudyIdentity("B", key_of("P1"), "study", "c" * 64)
    vector = FeatureVector(Region.GTV, np.ones(len(FEATURE_NAMES)), "d" * 64)
    work.store.put_radiomics(study, {Region.GTV: vector})
    path = write_table(tmp_path / "b.csv", lines())
    assert "3 features of gtv of 2 patients" in imported(f"gtv={path}")
    write_table(path, lines()[1:2])
    assert imported(f"gtv={path}") == (
        "No features of centre B were imported. The images of 1 patient are measured here, and "
        "those features count: the patient is left out of the table."
    )


def test_outcomes_of_imported_patients_have_not_come_under_a_wrong_key(
    work: Installation, tmp_path: Path
) -> None:
    imported(f"gtv={write_table(tmp_path / 'b.csv', lines())}")
    records = tuple(
        ClinicalRecord(key_of(patient), "B", 70.0, Sex.MALE, Histology.SQUAMOUS, "II", 100.0, True)
        for patient in ("P1", "mistyped")
    )
    work.store.put_clinical(ClinicalTable(records, ()))
    unwanted = records_to_remove(work, "B", Unwanted(without_study=True))
    assert unwanted == {key_of("mistyped")}


def test_who_was_erased_leaves_no_row_and_does_not_come_back(
    work: Installation, tmp_path: Path
) -> None:
    path = write_table(tmp_path / "b.csv", lines())
    imported(f"gtv={path}")
    person = find_person(work, KEY.encode(), "P1", "B")
    assert any("imported_features 1" in line for line in found_in_words(work, KEY.encode(), person))
    erase_person(erasure_in(work, KEY.encode()), person, "A. Person", "asked")
    installation.cache_clear()
    again = installation()
    assert key_of("P1") not in {patient for _, patient, _ in again.store.people()}
    assert len(again.store.imported("B")) == 2
    assert "of 2 patients" in imported(f"gtv={path}")


def test_tables_and_statements_are_said_in_one_way() -> None:
    assert region_and_file("gtv=/a=b.csv") == (Path("/a=b.csv"), Region.GTV)
    assert region_and_file("/a=b.csv") == (Path("/a=b.csv"), None)
    assert statements(["bin_width=25", "version = unknown"]) == {
        "bin_width": "25",
        "version": "unknown",
    }
    for wrong in (["binwidth=25"], ["bin_width"], ["bin_width="], ["bin_width=1", "bin_width=2"]):
        with pytest.raises(FeatureTableError, match="does not state once how"):
            statements(wrong)
