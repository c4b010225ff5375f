"""Whatever the order, however often, and wherever the process dies: the same instances, the same
one outbox row.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_node.center import Completeness
from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.errors import (
    ConflictingContentError,
    IdentityMismatchError,
    LowDiskError,
    NodeError,
    UnreadableDatasetError,
)
from dicom_node.registry.registry import Registry, StudyState
from tests.support.deaths import (
    COMMIT,
    FILE,
    FSYNC,
    INDEXER,
    LINK,
    STATEMENT,
    TRANSACTION,
    Step,
    live,
)
from tests.support.intake_bench import (
    Bench,
    StoreRequest,
    center,
    ct_slice,
    request,
    rtstruct,
    take,
    whole_study,
)


def _state(bench: Bench) -> dict[str, Any]:
    """Return everything that must not depend on order, repetition or crashes."""
    summaries = bench.registry.studies.summaries()
    return {
        "files": sorted(file.relative_path for file in bench.archive.files()),
        "known": sorted(bench.registry.instances.paths()),
        "states": [(one.study_key, one.state, one.sentence, one.instances) for one in summaries],
        "outbox": bench.registry.outbox.counts(),
        "contents": [
            bench.registry.outbox.files(one.study_key).content_digest for one in summaries
        ],
    }


def _expected(folder: Path, count: int = 4) -> dict[str, Any]:
    bench = Bench(folder)
    slices, drawn = whole_study(count)
    bench.push(*slices, drawn)
    state = _state(bench)
    bench.close()
    assert state["outbox"] == {"waiting": 1, "claimed": 0, "held": 0, "done": 0}
    assert [one[1] for one in state["states"]] == [StudyState.QUEUED]
    return state


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_repetition_end_in_the_same_state(
    bench: Bench, tmp_path: Path, seed: int
) -> None:
    slices, drawn = whole_study()
    pushes = [*slices, drawn] * 2
    random.Random(seed).shuffle(pushes)
    bench.push(*pushes)
    assert _state(bench) == _expected(tmp_path / "expected")


def test_the_row_is_there_as_soon_as_the_last_instance_is(bench: Bench) -> None:
    slices, drawn = whole_study()
    for dataset in [slices[0], drawn, *slices[1:-1]]:
        bench.push(dataset)
        assert bench.registry.outbox.counts()["waiting"] == 0
        assert [one.state for one in bench.registry.studies.summaries()] == [StudyState.RECEIVING]
    bench.push(slices[-1])
    assert bench.registry.outbox.counts()["waiting"] == 1
    assert bench.registry.studies.settle(center()) == 0


EACH, ONE = "an association each", "one association"


def _associations(name: str) -> list[list[StoreRequest]]:
    slices, drawn = whole_study(2)
    requests = [request(one) for one in (*slices, drawn)]
    return [requests] if name == ONE else [[one] for one in requests]


def _restart_and_push(folder: Path, answered: int) -> dict[str, Any]:
    """Start a node where one has died, check that it knows what was answered with success, and
    return how it looks after everything has been sent once more.
    """
    bench = Bench(folder)
    bench.intake.reindex()
    known = bench.registry.instances.paths()
    assert len(known) >= answered
    assert sorted(known) == [file.relative_path for file in bench.archive.files()]
    slices, drawn = whole_study(2)
    bench.push(*slices, drawn)
    assert list((bench.archive.instances / ".tmp").iterdir()) == []
    state = _state(bench)
    bench.close()
    return state


@pytest.mark.slow
@pytest.mark.parametrize("name", [EACH, ONE])
def test_a_death_at_every_step_then_a_restart_and_a_push_end_in_the_same_state(
    tmp_path: Path, name: str
) -> None:
    expected = _expected(tmp_path / "expected", 2)
    Bench(tmp_path / "new").close()
    deaths: list[Step] = []
    for steps in count():
        folder = tmp_path / f"node{steps}"
        copytree(tmp_path / "new", folder)
        life = live(folder, _associations(name), steps)
        registry = Registry(f"sqlite:///{folder / 'registry.sqlite'}", folder / "archive")
        assert len(registry.instances.paths()) >= life.indexed
        registry.close()
        assert _restart_and_push(folder, life.answered) == expected
        if not life.is_killed:
            break
        deaths.append(life.steps[-1])
    assert (life.answered, life.indexed) == (3, 3)
    assert len(deaths) == len(life.steps) > 30
    # Objects are kept by the thread that received them, and indexed by another.
    threads = {(step.kind, step.thread) for step in deaths}
    assert threads == {
        *((kind, "MainThread") for kind in (FILE, FSYNC, LINK)),
        *((kind, INDEXER) for kind in (TRANSACTION, STATEMENT, COMMIT)),
    }


@pytest.mark.slow
def test_a_journal_cut_off_anywhere_then_a_restart_and_a_push_end_in_the_same_state(
    tmp_path: Path,
) -> None:
    expected = _expected(tmp_path / "expected", 2)
    Bench(tmp_path / "new").close()
    life = live(tmp_path / "new", _associations(EACH), steps=10**6)
    (tmp_path / "new" / "registry.sqlite-shm").unlink()  # as after a loss of power
    journal = (tmp_path / "new" / "registry.sqlite-wal").read_bytes()
    header, page = 32, int.from_bytes(journal[8:12], "big")  # sqlite.org/fileformat.html section 4
    frame = 24 + page
    cuts = range(header + frame // 2, len(journal), frame)
    assert len(cuts) > 10
    for cut in cuts:
        folder = tmp_path / f"cut{cut}"
        copytree(tmp_path / "new", folder)
        (folder / "registry.sqlite-wal").write_bytes(journal[:cut])
        assert _restart_and_push(folder, life.answered) == expected


def test_a_lost_registry_is_rebuilt_from_the_files(bench: Bench, tmp_path: Path) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.close()
    for left in bench.folder.glob("registry.sqlite*"):
        left.unlink()
    again = bench.reopen()
    assert _state(again) == _expected(tmp_path / "expected")
    again.close()


def test_a_file_that_has_gone_is_forgotten_reported_and_accepted_again(
    bench: Bench, tmp_path: Path
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    next(bench.archive.files()).path.unlink()
    again = bench.reopen()
    assert [one.kind for one in again.registry.incidents.unreported()] == ["missing-file"]
    again.push(*slices, drawn)
    assert _state(again) == _expected(tmp_path / "expected")
    again.close()


def test_a_file_that_was_damaged_in_the_archive_is_set_aside_and_accepted_again(
    bench: Bench, tmp_path: Path
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.close()
    for left in bench.folder.glob("registry.sqlite*"):
        left.unlink()
    file = next(bench.archive.files())
    file.path.write_bytes(file.path.read_bytes()[:-5])
    again = bench.reopen()
    kinds = {one.kind for one in again.registry.incidents.unreported()}
    assert kinds == {"damaged-instance", "registry-failure"}
    again.push(*slices, drawn)
    assert _state(again) == _expected(tmp_path / "expected")
    again.close()


def test_a_truncated_instance_is_quarantined_and_its_study_waits_and_says_so(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices[:-1], drawn)
    whole = request(slices[-1])
    with pytest.raises(DamagedInstanceError):
        take(bench.intake, "alpha", replace(whole, dataset=whole.dataset[:-4]))
    assert len(list(bench.archive.quarantined.glob("alpha/*/*.dcm"))) == 1
    assert [(one.kind, one.count) for one in bench.registry.incidents.latest()] == [
        ("damaged-instance", 1)
    ]
    assert [one.state for one in bench.registry.studies.summaries()] == [StudyState.RECEIVING]
    bench.clock.advance(61)
    bench.registry.studies.settle(center(completeness=Completeness.LENIENT))
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.INCOMPLETE
    assert study.sentence is not None
    assert "1 of the missing were received damaged and are quarantined" in study.sentence
    bench.push(slices[-1])
    assert [one.state for one in bench.registry.studies.summaries()] == [StudyState.QUEUED]
    assert bench.registry.outbox.files(study.study_key).warnings == ()


def test_a_damaged_copy_of_what_is_here_changes_nothing_but_is_an_incident(
    bench: Bench, tmp_path: Path
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    whole = request(slices[0])
    for _ in range(3):
        with pytest.raises(DamagedInstanceError):
            take(bench.intake, "alpha", replace(whole, dataset=whole.dataset[:-4]))
    assert [one.count for one in bench.registry.incidents.latest()] == [3]
    assert _state(bench) == _expected(tmp_path / "expected")


def test_the_same_uid_with_other_content_is_quarantined_and_the_first_stays(
    bench: Bench, tmp_path: Path
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    for changed in (ct_slice(0, gray=99), ct_slice(0, study="1.2.77")):
        with pytest.raises(ConflictingContentError):
            bench.push(changed)
    assert len(list(bench.archive.quarantined.glob("alpha/*/*.dcm"))) == 2
    assert [(one.kind, one.count) for one in bench.registry.incidents.latest()] == [
        ("conflicting-content", 2)
    ]
    assert _state(bench) == _expected(tmp_path / "expected")


def test_the_same_instance_of_another_center_is_another_instance(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.push(*slices, drawn, center_name="beta")
    assert {one.center for one in bench.registry.studies.summaries()} == {"alpha", "beta"}
    assert len({one.patient_key for one in bench.registry.studies.summaries()}) == 2


def _mismatches() -> list[tuple[dict[str, str], type[NodeError]]]:
    return [
        ({"sop_instance_uid": "1.2.3"}, IdentityMismatchError),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.481.3"}, IdentityMismatchError),
        ({"context_class_uid": "1.2.840.10008.5.1.4.1.1.481.3"}, IdentityMismatchError),
        ({"sop_instance_uid": "../../x"}, UnreadableDatasetError),
    ]


@pytest.mark.parametrize(("change", "error"), _mismatches())
def test_a_command_that_names_another_object_is_refused(
    bench: Bench, change: dict[str, str], error: type[NodeError]
) -> None:
    with pytest.raises(error):
        take(bench.intake, "alpha", replace(request(ct_slice(0)), **change))  # type: ignore[arg-type]
    assert list(bench.archive.files()) == []
    kept = list(bench.archive.quarantined.rglob("*.dcm"))
    assert len(kept) == 1
    assert kept[0].is_relative_to(bench.folder)
    assert [one.kind for one in bench.registry.incidents.latest()] == [error.kind]


def test_a_full_disk_is_refused_and_recorded_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, minimum_free_bytes=2**62)
    for index in range(2):
        with pytest.raises(LowDiskError):
            bench.push(ct_slice(index))
    assert [(one.kind, one.count, one.subject) for one in bench.registry.incidents.latest()] == [
        ("low-disk", 2, "archive")
    ]
    bench.close()


@pytest.mark.parametrize("text", ["P1", "1.2.1"])
def test_no_identifier_is_in_a_path_or_a_sentence(bench: Bench, text: str) -> None:
    dataset = ct_slice(0, gray=1)
    bench.push(dataset)
    with pytest.raises(ConflictingContentError):
        bench.push(ct_slice(0, gray=2))
    names = [str(path.relative_to(bench.folder)) for path in bench.folder.rglob("*")]
    assert not any(text in name for name in names)
    assert not any(text in one.sentence + one.subject for one in bench.registry.incidents.latest())


def test_patients_without_an_id_are_not_taken_for_one(bench: Bench) -> None:
    bench.push(ct_slice(0, patient=""), ct_slice(0, patient="", study="1.2.2", series="1.2.2.1"))
    assert len({one.patient_key for one in bench.registry.studies.summaries()}) == 2


def _two_patients() -> list[Dataset]:
    slices, _ = whole_study()
    return [*slices, rtstruct([str(one.SOPInstanceUID) for one in slices], patient="P2")]


def test_a_study_of_two_patients_is_quarantined_with_a_sentence(bench: Bench) -> None:
    bench.push(*_two_patients())
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.QUARANTINED
    assert study.sentence is not None
    assert "different Patient IDs" in study.sentence
    assert bench.registry.outbox.counts()["waiting"] == 0
