"""A study that was read ahead is taken as it was read, once, and only where it is the one that is
asked for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dicom_node.errors import UnknownStudyError
from dicom_node.registry.registry import StudyFiles
from feature_store.errors import UnreadableInstance
from feature_store.imaging.reading import StudyReading, read_study
from flows.data.archived_study import read_archived, reading_begun
from flows.installation import Installation
from flows.settings import Settings
from tests.support import synthetic_studies as spoil
from tests.support.archived_studies import archive_study


@pytest.fixture
def files(tmp_path: Path) -> StudyFiles:
    node = tmp_path / "node"
    key = archive_study(node, spoil.write_study(tmp_path / "study", "PATIENT-ID"), "alpha")
    settings = tmp_path / "annulus.toml"
    settings.write_text(f"[node]\nfolder = '{node}'\n[center.alpha]\nae_titles = ['ALPHA']\n")
    work = Installation(Settings.load(settings))
    found = work.registry.outbox.files(key)
    work.registry.close()
    return found


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[StudyReading]:
    """Whatever is read."""
    found: list[StudyReading] = []

    def noted(*given: Any) -> StudyReading:
        found.append(read_study(*given))
        return found[-1]

    monkeypatch.setattr("flows.data.archived_study.read_study", noted)
    return found


def test_what_was_read_ahead_is_taken_once(files: StudyFiles, readings: list[StudyReading]) -> None:
    with reading_begun(lambda: files):
        first, second = read_archived(files), read_archived(files)
    assert [first, second] == readings
    assert read_archived(files) is readings[2]


def test_another_content_than_the_one_that_is_asked_for_is_not_taken(
    files: StudyFiles, readings: list[StudyReading]
) -> None:
    newer = replace(files, content_digest="another")
    with reading_begun(lambda: files):
        assert read_archived(newer) is readings[1]


def test_what_failed_ahead_is_said_where_the_study_is_read(files: StudyFiles) -> None:
    damaged = files.ct[0].path
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with reading_begun(lambda: files), pytest.raises(UnreadableInstance, match="its SHA-256"):
        read_archived(files)


def test_a_study_whose_files_are_not_known_ahead_is_read_all_the_same(files: StudyFiles) -> None:
    def unknown() -> StudyFiles:
        raise UnknownStudyError("No such study.")

    with reading_begun(unknown):
        assert len(read_archived(files).ct.datasets) == len(files.ct)


def test_a_run_that_ends_before_it_reads_leaves_nothing(
    files: StudyFiles, readings: list[StudyReading]
) -> None:
    with reading_begun(lambda: files):
        pass
    assert read_archived(files) is readings[1]
