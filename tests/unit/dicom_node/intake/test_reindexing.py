"""A start brings the registry in line with the files, whatever one of them is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import delete

from dicom_node.archive.archive import ArchivedFile
from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.instance import ReceivedInstance
from dicom_node.datasets.instance_versions import version_of
from dicom_node.errors import ConflictingContentError, RegistryUnavailableError
from dicom_node.intake import reindexing
from dicom_node.network.commitment_messages import CommitmentRequest, Reference
from dicom_node.registry.schema import instances
from tests.support.intake_bench import Bench, ct_slice, rtstruct
from tests.support.raw_values import with_value

FRAME_OF_REFERENCE = 0x00200052


def _forget_all(bench: Bench) -> None:
    with bench.registry._database.write() as connection:
        connection.execute(delete(instances))


def _overwrite(path: Path, value: bytes) -> None:
    """Put into the archive what an earlier version let in."""
    dataset = ct_slice(1)
    meta = FileMeta(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), "1.2.840.10008.1.2.1")
    path.write_bytes(meta.header() + with_value(dataset, FRAME_OF_REFERENCE, "UI", value))


@pytest.mark.parametrize("value", [b"1." + b"2" * 72, b"1.2\x003", b"1." * 9000])
def test_a_file_of_an_earlier_version_that_cannot_be_indexed_keeps_no_start(
    bench: Bench, value: bytes
) -> None:
    bench.push(ct_slice(0), ct_slice(1), ct_slice(2, study="1.2.7", series="1.2.7.1"))
    bad = bench.archive.instances / _path_of(bench, 1)
    _forget_all(bench)
    _overwrite(bad, value)
    again = bench.reopen()
    assert len(again.registry.instances.paths()) == 2
    assert len(list(again.archive.quarantined.rglob("*.dcm"))) == 1
    assert [one.kind for one in again.registry.incidents.latest()] == ["damaged-instance"]
    again.push(ct_slice(1))  # the undamaged copy is taken
    assert len(again.registry.instances.paths()) == 3
    again.close()


def _path_of(bench: Bench, index: int) -> str:
    uid = str(ct_slice(index).SOPInstanceUID)
    with bench.registry._database.read() as connection:
        rows = connection.execute(instances.select()).all()
    return next(str(one.relative_path) for one in rows if one.sop_instance_uid == uid)


@pytest.mark.parametrize("error", [TypeError("P1"), OSError(5, "Input/output error")])
def test_a_file_that_meets_an_unforeseen_error_stays_and_the_others_are_indexed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bench.push(ct_slice(0), ct_slice(1))
    bad = _path_of(bench, 1)
    _forget_all(bench)
    read = reindexing.read_archived

    def failing(file: ArchivedFile) -> ReceivedInstance:
        if file.relative_path == bad:
            raise error
        return read(file)

    with monkeypatch.context() as patched:
        patched.setattr(reindexing, "read_archived", failing)
        done = bench.intake.reindex()
    assert (done.added, len(list(bench.archive.files()))) == (1, 2)
    (incident,) = bench.registry.incidents.latest()
    assert "P1" not in incident.sentence
    assert bench.intake.reindex().added == 1


def test_a_folder_whose_name_fits_into_no_column_keeps_no_start(bench: Bench) -> None:
    bench.push(ct_slice(0))
    odd = bench.archive.instances / ("x" * 200) / ("y" * 90) / "a.dcm"
    odd.parent.mkdir(parents=True)
    odd.write_bytes(b"no DICOM")
    done = bench.intake.reindex()
    assert (done.added, done.set_aside) == (0, 1)
    assert [len(one.center or "") for one in bench.registry.incidents.latest()] == [32]


def _lose_the_registry(bench: Bench) -> Bench:
    """Return the bench as it is after a start with a new registry that has no time to index."""
    bench.close()
    for left in bench.folder.glob("registry.sqlite*"):
        left.unlink()
    again = Bench(bench.folder, bench.clock, replacing=bench.replacing)
    again.intake.reindex(lambda: True)
    return again


def _pushed(folder: Path, studies: int = 3, replacing: tuple[str, ...] = ()) -> Bench:
    bench = Bench(folder, replacing=replacing)
    for number in range(studies):
        bench.complete(number + 1)
    return bench


def test_what_a_start_leaves_is_indexed_study_by_study_meanwhile(tmp_path: Path) -> None:
    before = _pushed(tmp_path)
    states = {one.study_key: one.state for one in before.registry.studies.summaries()}
    bench = _lose_the_registry(before)
    assert (bench.intake.backlog, bench.registry.instances.paths()) == (12, set())
    (incident,) = bench.registry.incidents.latest()
    assert "made anew from 12 instances" in incident.sentence
    turns = iter((False, True))
    assert bench.intake.reindex(lambda: next(turns), anew=False).added == 4
    assert not bench.intake.is_reindexed
    assert bench.intake.reindex(anew=False) == reindexing.Reindexed(12, 0, 0)
    assert (bench.intake.backlog, bench.intake.is_reindexed) == (0, True)
    assert {one.study_key: one.state for one in bench.registry.studies.summaries()} == states
    bench.close()


def test_what_comes_for_a_study_that_is_not_indexed_yet_finds_it_indexed(tmp_path: Path) -> None:
    bench = _lose_the_registry(_pushed(tmp_path))
    bench.push(ct_slice(0, study="1.2.2", series="1.2.2.1"))
    assert len(bench.registry.instances.paths()) == 4
    assert bench.registry.outbox.counts()["waiting"] == 1
    bench.intake.reindex(anew=False)
    assert len(bench.registry.instances.paths()) == 12
    assert bench.registry.outbox.counts()["waiting"] == 3
    bench.close()


@pytest.mark.parametrize("study", ["1.2.2", "1.2.77"])
def test_the_first_content_stays_in_use_though_it_was_not_indexed_yet(
    tmp_path: Path, study: str
) -> None:
    bench = _lose_the_registry(_pushed(tmp_path))
    with pytest.raises(ConflictingContentError):
        bench.push(ct_slice(0, study=study, series="1.2.2.1", gray=99))
    bench.intake.reindex(anew=False)
    assert len(bench.registry.instances.paths()) == len(list(bench.archive.files())) == 12
    bench.close()


def test_a_newer_content_takes_the_place_of_one_that_was_not_indexed_yet(tmp_path: Path) -> None:
    bench = _lose_the_registry(_pushed(tmp_path, replacing=("alpha",)))
    bench.push(ct_slice(0, study="1.2.77", series="1.2.2.1", gray=99))
    bench.intake.reindex(anew=False)
    paths = bench.registry.instances.paths()
    assert len(paths) == 12
    assert [version_of(one) for one in sorted(paths, key=version_of)][-2:] == [0, 1]
    bench.close()


def test_a_damaged_file_that_was_not_indexed_yet_gives_way_to_a_sound_copy(tmp_path: Path) -> None:
    bench = _lose_the_registry(_pushed(tmp_path))
    file = next(bench.archive.files())
    file.path.write_bytes(file.path.read_bytes()[:-5])
    for number in range(3):
        study = f"1.2.{number + 1}"
        bench.push(*(ct_slice(index, study=study, series=f"{study}.1") for index in range(3)))
    bench.push(*_drawings())
    bench.intake.reindex(anew=False)
    assert len(bench.registry.instances.paths()) == 12
    assert len(list(bench.archive.quarantined.rglob("*.dcm"))) == 1
    bench.close()


def _drawings() -> list[Dataset]:
    return [
        rtstruct(
            [f"1.2.{number}.1.{index + 1}" for index in range(3)],
            study=f"1.2.{number}",
            sop=f"1.2.{number}.9.1",
        )
        for number in (1, 2, 3)
    ]


def test_a_commitment_is_given_for_what_was_not_indexed_yet(tmp_path: Path) -> None:
    bench = _lose_the_registry(_pushed(tmp_path))
    slice_ = ct_slice(0, study="1.2.2", series="1.2.2.1")
    asked = Reference(str(slice_.SOPClassUID), str(slice_.SOPInstanceUID))
    unknown = Reference(str(slice_.SOPClassUID), "1.2.3.4.5")
    report = bench.intake.verify("alpha", CommitmentRequest("1.2.99", (asked, unknown)))
    assert report.committed == (asked,)
    assert [one for one, _ in report.failed] == [unknown]
    bench.close()


def test_what_the_registry_does_not_take_now_is_indexed_by_the_next_try(tmp_path: Path) -> None:
    bench = _lose_the_registry(_pushed(tmp_path))
    with bench.registry._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE instances RENAME TO away")
    with pytest.raises(RegistryUnavailableError):
        bench.intake.reindex(anew=False)
    assert bench.intake.backlog == 12
    with bench.registry._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO instances")
    assert bench.intake.reindex(anew=False).added == 12
    bench.close()
