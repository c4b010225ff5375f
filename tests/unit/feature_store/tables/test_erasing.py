"""A person is taken out of every version; each version keeps its number and all other rows, and no
byte of the table names the person any more.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable

from feature_store.clinical_records import ClinicalRecord, ClinicalTable
from feature_store.imaging.regions import Region
from feature_store.tables import erasing, older_log, table_upkeep
from feature_store.tables.parquet_text import text_of_parquet
from feature_store.tables.store import FeatureStore, StoreError
from feature_store.tables.table_folder import OLDER_LOG, TableFolder
from tests.support.feature_stores import check, identity, vector

PERSON, STUDY = "b03", "sB03"
NAMED = re.compile(rb"(?<![0-9a-f-])(b03|sB03)(?![0-9a-f-])")
"""Not as a part of the random name of a file."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """Six patients of one centre and one of another; the log is summed up twice on the way."""
    monkeypatch.setattr(table_upkeep, "_CHECKPOINT_EVERY", 4)
    store = FeatureStore(tmp_path / "store")
    for number in (1, 3, 2, 4):
        one = identity("B", number)
        store.put_radiomics(one, {Region.GTV: vector(Region.GTV, number)})
        store.put_deep_input(one, np.full((64, 64, 64), number, np.float32))
        store.put_check(check("study", one))
    store.put_radiomics(identity("B", 3), {Region.GTV: vector(Region.GTV, 33)})
    store.put_radiomics(identity("C", 1), {Region.GTV: vector(Region.GTV, 9)})
    for days in (100.0, 200.0):
        store.put_clinical(
            ClinicalTable(
                tuple(
                    ClinicalRecord(f"b{n:02d}", "B", 60.0, None, None, None, days * n, True)
                    for n in (1, 2, 3)
                ),
                (),
            )
        )
    store.compact()
    return store


def every_version(store: FeatureStore) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the rows of each version of each table, without the person's."""
    return {
        (table, version): sorted(
            (
                row
                for row in store.pinned({table: version}).rows(table, {}).to_pylist()
                if row["patient_key"] != PERSON
            ),
            key=repr,
        )
        for table, newest in store.versions().items()
        for version in range(newest + 1)
    }


def named_in(folder: Path) -> Iterator[Path]:
    """Yield the files that name the person, in their bytes or decompressed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            texts = [path.read_bytes()]
            if path.suffix == ".parquet":
                texts += text_of_parquet(path)
            if any(NAMED.search(text) for text in texts):
                yield path


@pytest.mark.slow
def test_every_version_keeps_its_number_and_the_others_rows(
    store: FeatureStore, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    before, moments, people = every_version(store), store.versions(), store.people()
    assert ("B", PERSON, STUDY) in people
    assert {row["center"] for row in store.rows_in_any_version("clinical", [PERSON])} == {"B"}
    assert len(list(named_in(folder))) > 10
    assert store.rows_of([PERSON], [STUDY])["radiomics"] > 1
    done = {one.table: one for one in store.take_out([PERSON], [STUDY])}
    assert done["radiomics"].versions == moments["radiomics"] + 1
    assert done["clinical"].rows == 2  # of both imports
    assert list(named_in(folder)) == []
    again = FeatureStore(folder)
    assert again.versions() == moments
    assert every_version(again) == before
    assert again.defects() == ()
    assert again.rows_of([PERSON], [STUDY]) == {}
    assert again.people() == {one for one in people if PERSON not in one}
    # it is written to and compacted as before
    again.put_radiomics(identity("B", 5), {Region.GTV: vector(Region.GTV, 5)})
    again.put_radiomics(identity("B", 1), {Region.GTV: vector(Region.GTV, 11)})
    again.compact()
    assert again.rows("radiomics", {"center": "B"}).num_rows == 4
    assert {one.rows for one in again.take_out([PERSON], [STUDY])} == {0}


@pytest.mark.slow
def test_versions_whose_entries_were_moved_beside_the_log_are_written_again_too(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(older_log, "KEPT", 0)
    before = every_version(store)
    for name, version in store.versions().items():
        folder = TableFolder(str(tmp_path / "store" / name))
        DeltaTable(folder.uri).create_checkpoint()
        assert older_log.move_older(folder, version, []) >= version
    assert any(OLDER_LOG in path.parts for path in named_in(tmp_path / "store"))
    store.take_out([PERSON], [STUDY])
    assert list(named_in(tmp_path / "store")) == []
    assert not list(tmp_path.rglob(OLDER_LOG))
    assert every_version(FeatureStore(tmp_path / "store")) == before


@pytest.mark.parametrize("step", range(6))
def test_it_goes_on_after_the_process_died_at_any_step(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder = tmp_path / "store"
    before = every_version(store)
    places = ("_write_files", "_write_log", "_checkpoints", "_remove_what_names")
    if step < len(places):
        whole = getattr(erasing, places[step])

        def dies_after(*arguments: Any) -> None:
            whole(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(erasing, places[step], dies_after)
    else:
        rename = Path.rename
        left = [step - len(places)]

        def dies(path: Path, target: Path) -> Path:
            if path.name.startswith("_delta_log"):
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        store.take_out([PERSON], [STUDY])
    monkeypatch.undo()
    again = FeatureStore(folder)
    again.take_out([PERSON], [STUDY])
    assert list(named_in(folder)) == []
    assert every_version(FeatureStore(folder)) == before


def test_a_log_with_a_gap_and_an_object_store_are_refused(
    store: FeatureStore, tmp_path: Path
) -> None:
    log = tmp_path / "store" / "clinical" / "_delta_log"
    shutil.move(log / f"{1:020d}.json", tmp_path)
    with pytest.raises(StoreError, match="has a gap"):
        store.take_out([PERSON], [STUDY])
    with pytest.raises(StoreError, match="object store"):
        FeatureStore("s3://bucket/prefix").take_out([PERSON], [STUDY])
