"""A start brings the registry in line with the files, whatever one of them is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete

from dicom_node.archive.archive import ArchivedFile
from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.instance import ReceivedInstance
from dicom_node.intake import reindexing
from dicom_node.registry.schema import instances
from tests.support.intake_bench import Bench, ct_slice
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
