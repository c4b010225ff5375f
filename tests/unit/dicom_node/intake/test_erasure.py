"""Whoever is on the list of erased people is not taken, not kept, and does not come back with a
restart; what others have too is theirs.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dicom_node.archive.erased_people import ErasedPeople, ErasedPerson, token
from dicom_node.errors import ArchiveError, ErasedPersonError, IdentityMismatchError
from dicom_node.pseudonym import patient_key, study_key
from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import KEY, Bench, ct_slice, request, rtstruct, take

WHO = patient_key(KEY, "alpha", "P1")


def enter(bench: Bench, patient: str = WHO, *studies: str) -> ErasedPeople:
    people = ErasedPeople(bench.folder, KEY)
    tokens = tuple(token(KEY, "study", one) for one in studies)
    person = ErasedPerson(
        f"n{len(people.entries())}", "2026-01-01T00:00:00+00:00", "A", "why", "alpha",
        (token(KEY, "patient", patient),), tokens,
    )  # fmt: skip
    people.enter(person)
    return people


def dicom_files(bench: Bench) -> list[Path]:
    return sorted(bench.folder.rglob("*.dcm"))


def test_what_comes_of_an_erased_person_is_refused_and_nothing_is_kept(bench: Bench) -> None:
    bench.push(ct_slice(0, patient="P2", study="1.2.2", series="1.2.2.1"))
    before = dicom_files(bench)
    enter(bench)  # while the node runs
    with pytest.raises(ErasedPersonError, match="nothing of it is kept"):
        bench.push(ct_slice(0))
    other = ct_slice(0)
    wrong = request(other)
    vars(wrong)["sop_instance_uid"] = "1.2.99"
    with pytest.raises(IdentityMismatchError):  # refused for another reason, and not kept either
        take(bench.intake, "alpha", wrong)
    assert dicom_files(bench) == before
    kinds = {(one.kind, one.subject) for one in bench.registry.incidents.latest()}
    assert ("erased-person", "objects of erased people") in kinds
    assert all(subject == "objects of erased people" for _, subject in kinds)
    bench.push(ct_slice(1, patient="P2", study="1.2.2", series="1.2.2.1"))


def test_a_study_on_the_list_is_refused_under_any_patient_id(bench: Bench) -> None:
    enter(bench, WHO, study_key(KEY, "alpha", "1.2.1"))
    with pytest.raises(ErasedPersonError):
        bench.push(ct_slice(0, patient="another ID"))


def test_a_start_removes_what_a_back_up_has_brought_back(bench: Bench, tmp_path: Path) -> None:
    study = bench.complete()
    bench.push(ct_slice(0, patient="P2", study="1.2.2", series="1.2.2.1"))
    bench.close()
    shutil.copytree(bench.folder, tmp_path / "back-up")
    enter(bench)
    # the whole folder of before: registry, files, and no list
    shutil.rmtree(bench.folder)
    shutil.copytree(tmp_path / "back-up", bench.folder)
    again = bench.reopen()
    assert [one.patient_key for one in again.registry.studies.summaries()] == [
        patient_key(KEY, "alpha", "P2")
    ]
    assert study not in " ".join(map(str, dicom_files(again)))
    # files of before beside a registry of now
    shutil.copytree(tmp_path / "back-up" / "archive", again.folder / "archive", dirs_exist_ok=True)
    again = again.reopen()
    assert len(again.registry.studies.summaries()) == 1
    assert len(dicom_files(again)) == 1
    again.close()


def test_a_list_that_cannot_be_read_lets_nobody_in(bench: Bench) -> None:
    people = enter(bench)
    for folder in (people.folder, people.beside):
        (folder / "n0.entry.json").write_text("{")
    with pytest.raises(ArchiveError, match="put its other copy in its place"):
        bench.push(ct_slice(0))
    (people.folder / "n0.entry.json").write_text(json.dumps({"id": "n0"}))
    with pytest.raises(ArchiveError, match="cannot be read"):
        people.entries()


def test_the_registry_names_and_forgets_one_person_alone(bench: Bench) -> None:
    mine = bench.complete()
    corrected = [ct_slice(0, patient="P3", study="1.2.1"), ct_slice(9, patient="P3", study="1.2.1")]
    bench.push(corrected[1])  # the same study under a corrected Patient ID
    theirs = [
        ct_slice(index, patient="P2", study="1.2.2", series="1.2.2.1") for index in range(3)
    ]  # in the same Frame of Reference
    listed = [str(one.SOPInstanceUID) for one in theirs]
    bench.push(*theirs, rtstruct(listed, patient="P2", study="1.2.2", sop="1.2.2.9.1"))
    bench.push(ct_slice(0), center_name="beta")  # the same image at another centre
    bench.registry.incidents.record("odd", f"something about {mine}", "alpha", "other")
    bench.registry.incidents.record("odd", "something", "alpha", "other study")
    traces = bench.registry.people.traces("alpha", WHO)
    assert traces.studies == {mine}
    assert traces.patients == {WHO, patient_key(KEY, "alpha", "P3")}
    assert len(traces.instances) == 5
    assert "1.2.1.1.2" in traces.uids
    assert traces.uids.isdisjoint({"1.2.3.4", "1.2.1.1.1"})  # the frame, and the shared image
    assert {one.center for one in traces.elsewhere} == {"beta"}
    kept = bench.registry.studies.summaries()
    assert bench.registry.people.forget(traces, {mine, *traces.uids}) == 1
    left = bench.registry.studies.summaries()
    assert left == [one for one in kept if one.study_key != mine]
    assert {one.state for one in left} == {StudyState.QUEUED, StudyState.RECEIVING}
    assert [one.subject for one in bench.registry.incidents.latest() if one.kind == "odd"] == [
        "other study"
    ]
    bench.intake.flush()
    bench.registry.close()
    bench.registry.people.scrub()
    if bench.registry_url is None:
        assert mine.encode() not in (bench.folder / "registry.sqlite").read_bytes()
