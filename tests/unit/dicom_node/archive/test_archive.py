"""Files are complete or absent, never overwritten, and the folder belongs to one node with one
key.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
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
    with pytest.raises(NodeAlreadyRunningError, match="Another node has the folder"):
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


def _failing_once(
    monkeypatch: pytest.MonkeyPatch, which: Callable[[int], bool], times: int = 1
) -> list[int]:
    """Let the first fsyncs of what is chosen fail, as the kernel tells of a failure: once."""
    failed: list[int] = []
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if len(failed) < times and which(descriptor):
            failed.append(descriptor)
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    return failed


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_success_follows_a_failed_fsync_of_a_folder_until_it_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    archive = Archive(tmp_path)
    seen: list[int] = []

    def nth_folder(descriptor: int) -> bool:
        if _is_folder(descriptor):
            seen.append(descriptor)
        return len(seen) == number + 1

    with monkeypatch.context() as patched:
        failed = _failing_once(patched, nth_folder)
        with pytest.raises(ArchiveError):
            _keep(archive, _instance())
        assert len(failed) == 1
    assert list(archive.files()) == []  # so that only a new link, and its fsync, is a success
    linked: list[Path] = []
    link = os.link

    def counted(source: Path, target: Path) -> None:
        linked.append(target)
        link(source, target)

    monkeypatch.setattr(os, "link", counted)
    path = _keep(archive, _instance())
    assert linked == [path]
    archive.close()


def test_what_was_linked_before_the_failure_is_no_success_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    _keep(archive, _instance(), "first")
    other: list[str] = []
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        # While one waits for its folder, another's fsync of the same folder fails.
        if _is_folder(descriptor) and not other:
            other.append("began")
            with monkeypatch.context() as patched:
                _failing_once(patched, _is_folder)
                with pytest.raises(ArchiveError):
                    _keep(archive, _instance(), "third")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(ArchiveError):
            _keep(archive, _instance(), "second")
    assert [one.instance_key for one in archive.files()] == ["first"]
    _keep(archive, _instance(), "second")
    archive.close()


def test_a_name_that_cannot_be_taken_back_is_no_success_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    _keep(archive, _instance(), "first")

    def read_only(_path: Path, **_: bool) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        _failing_once(patched, _is_folder)
        with archive.begin(_instance()) as incoming:
            incoming.write(_instance().dataset)
            with patched.context() as fixed:
                fixed.setattr(Path, "unlink", read_only)
                for _ in range(2):
                    with pytest.raises(ArchiveError):
                        archive.publish("alpha", "study", "second", incoming)
            archive.publish("alpha", "study", "second", incoming)
    archive.close()


def test_the_quarantine_forgets_what_was_refused_long_ago_and_nothing_that_was_kept(
    tmp_path: Path,
) -> None:
    archive = Archive(tmp_path)
    old, new = _quarantine(archive, _instance(1)), _quarantine(archive, _instance(2))
    _keep(archive, _instance())
    aside = archive.set_aside(next(archive.files()))
    for path in (old, aside):
        os.utime(path, (0, 0))
    assert archive.forget_refused(3600.0) == 1
    assert (old.exists(), new.exists(), aside.exists()) == (False, True, True)
    archive.close()
