"""Files are complete or absent, never overwritten, and the folder belongs to one node with one
key.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.archive.archive import Archive
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE, IMPLICIT_VR_LITTLE_ENDIAN
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    LowDiskError,
    NodeAlreadyRunningError,
)
from tests.support.intake_bench import ct_slice, encode
from tests.support.part10 import Part10, read_part10


def _instance(gray: int = 7) -> Part10:
    return Part10(
        CT_IMAGE_STORAGE, "1.2.1.1.1", IMPLICIT_VR_LITTLE_ENDIAN, encode(ct_slice(0, gray=gray))
    )


def _keep(archive: Archive, instance: Part10, key: str = "instance") -> Path:
    """Keep an instance as one of a study, and return its file."""
    with archive.begin(instance) as incoming:
        incoming.write(instance.dataset)
        return archive.instances / archive.publish("alpha", "study", key, incoming)


def _quarantine(archive: Archive, instance: Part10, study_key: str | None = "study") -> Path:
    with archive.begin(instance) as incoming:
        incoming.write(instance.dataset)
        return archive.quarantine("alpha", study_key, "instance", incoming)


def test_a_stored_instance_is_a_part_10_file_with_the_bytes_as_received(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = _keep(archive, _instance())
    assert path == tmp_path / "archive" / "alpha" / "study" / "instance.dcm"
    assert path.read_bytes().endswith(_instance().dataset)
    assert read_part10(path) == _instance()
    assert dcmread(path).file_meta.MediaStorageSOPInstanceUID == "1.2.1.1.1"
    assert dcmread(path).PixelData == ct_slice(0).PixelData


def test_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = _keep(archive, _instance())
    before = path.stat()
    assert _keep(archive, _instance()) == path
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [file.path for file in archive.files()] == [path]


def test_other_content_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = _keep(archive, _instance())
    with pytest.raises(ConflictingContentError, match="first content stays in use"):
        _keep(archive, _instance(gray=8))
    assert read_part10(path) == _instance()


def test_file_and_folders_are_fsynced_before_publish_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    archive = Archive(tmp_path)
    monkeypatch.setattr(os, "fsync", record)
    _keep(archive, _instance())
    instances = tmp_path / "archive"
    file, *folders = [path for path in synced if "/.tmp/" in path] + [
        path for path in synced if "/.tmp/" not in path
    ]
    assert file.startswith(str(instances / ".tmp"))
    assert {str(instances), str(instances / "alpha"), str(instances / "alpha" / "study")} <= set(
        folders
    )
    assert synced[-1] == str(
        instances / "alpha" / "study"
    )  # after the link, the folder that holds its name
    assert synced.index(file) < len(synced) - 1


def test_of_two_contents_written_at_once_the_first_published_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, other = Archive(tmp_path), Archive(tmp_path)
    fsync = os.fsync

    def let_the_other_in(descriptor: int) -> None:
        fsync(descriptor)
        if "/.tmp/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            monkeypatch.setattr(os, "fsync", fsync)
            _keep(other, _instance(gray=8))

    monkeypatch.setattr(os, "fsync", let_the_other_in)
    with pytest.raises(ConflictingContentError):
        _keep(archive, _instance(gray=7))
    (file,) = archive.files()
    assert read_part10(file.path) == _instance(gray=8)


def test_too_little_space_refuses_before_writing(tmp_path: Path) -> None:
    archive = Archive(tmp_path, minimum_free_bytes=2**62)
    with pytest.raises(LowDiskError, match="nothing more is accepted until space is made"):
        _keep(archive, _instance())
    assert list(archive.files()) == []


def test_a_full_disk_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    _keep(archive, _instance(), "other")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LowDiskError, match="No space left on device"):
        _keep(archive, _instance())
    assert [file.instance_key for file in archive.files()] == ["other"]
    assert list((archive.instances / ".tmp").iterdir()) == []


def test_quarantined_bytes_are_kept_once_per_content(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    paths = {_quarantine(archive, _instance(gray)) for gray in (1, 2, 1)}
    assert len(paths) == 2
    assert {read_part10(path).content_sha256 for path in paths} == {
        _instance(1).content_sha256,
        _instance(2).content_sha256,
    }
    assert list(archive.files()) == []
    unknown = _quarantine(archive, _instance(), study_key=None)
    assert unknown.parent == tmp_path / "quarantine" / "alpha" / "unknown"


def test_one_node_at_a_time(tmp_path: Path) -> None:
    first, second = Archive(tmp_path), Archive(tmp_path)
    first.open("fingerprint")
    with pytest.raises(NodeAlreadyRunningError, match="another node has the folder"):
        second.open("fingerprint")
    first.close()
    second.open("fingerprint")
    second.close()


def test_another_pseudonym_key_is_noticed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.open("fingerprint")
    archive.close()
    with pytest.raises(ArchiveError, match="made with another pseudonym key"):
        Archive(tmp_path).open("other")


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    (archive.instances / ".tmp" / "left").write_bytes(b"half")
    archive.open("fingerprint")
    archive.close()
    assert list((archive.instances / ".tmp").iterdir()) == []
