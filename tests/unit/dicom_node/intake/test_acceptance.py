"""Corrected data find a way in, by the policy of a centre or an operator's decision, and what was
first stays kept.
"""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicom_node.center import Completeness
from dicom_node.datasets.identity import Identity
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.errors import ConflictingContentError, StudyStateError, UnknownStudyError
from dicom_node.intake.acceptance import accept_newer
from dicom_node.intake.names import Names
from dicom_node.network.commitment_messages import CommitmentRequest, Reference
from dicom_node.registry.registry import StudyState
from dicom_node.registry.schema import replacements
from tests.support.intake_bench import KEY, Bench, center, ct_slice, rtstruct, whole_study

NAMES = Names(KEY)


@pytest.fixture
def replacing(bench: Bench) -> Bench:
    """A bench whose centre's policy is to replace."""
    bench.replacing = ("alpha",)
    return bench.reopen()


def _corrected(patient: str = "P2") -> list[Dataset]:
    slices = [ct_slice(index, patient=patient) for index in range(4)]
    return [*slices, rtstruct([str(one.SOPInstanceUID) for one in slices], patient=patient)]


def _scored(bench: Bench) -> str:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, None
    )
    return item.study_key


def _settle(bench: Bench) -> None:
    bench.clock.advance(61)
    bench.registry.studies.settle(center())


def _states(bench: Bench) -> list[str]:
    return [str(one.state) for one in bench.registry.studies.summaries()]


def test_a_patient_id_that_was_corrected_is_decided_after_the_quiet_period(
    replacing: Bench,
) -> None:
    bench = replacing
    study = _scored(bench)
    (before,) = bench.registry.studies.summaries()
    old = bench.registry.outbox.files(study)
    for number, one in enumerate(_corrected()):
        bench.push(one)
        if number:
            assert _states(bench) == ["receiving"]  # old and new identities may be mixed
    _settle(bench)
    assert _states(bench) == ["queued"]
    (after,) = bench.registry.studies.summaries()
    assert after.patient_key != before.patient_key
    new = bench.registry.outbox.files(study)
    assert new.content_digest != old.content_digest
    assert new.patient_key == after.patient_key
    with pytest.raises(UnknownStudyError, match="replaced by a newer one"):
        bench.registry.outbox.files(study, old.content_digest)
    assert len(list(bench.archive.files())) == 10  # the older bytes stay kept
    assert old.rtstruct.path.exists()
    assert bench.claim().content_digest == new.content_digest


def test_the_registry_names_the_contents_that_were_replaced(replacing: Bench) -> None:
    bench = replacing
    assert bench.registry.studies.replaced_contents() == {}
    study = _scored(bench)
    (before,) = bench.registry.studies.summaries()
    old = bench.registry.outbox.files(study)
    first, *others = _corrected()
    bench.push(first)
    gone = {("alpha", before.patient_key, study, old.content_digest): True}
    assert bench.registry.studies.replaced_contents() == gone  # nothing newer is complete yet
    bench.push(*others)
    _settle(bench)
    new = bench.registry.outbox.files(study)
    current = {("alpha", new.patient_key, study, new.content_digest): False}
    assert bench.registry.studies.replaced_contents() == gone | current


def test_what_takes_the_place_of_older_contents_is_in_the_audit_trail(
    replacing: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    _scored(replacing)
    with caplog.at_level("INFO", "dicom_node.audit"):
        replacing.push(*_corrected())
    replaced = [one for one in caplog.messages if one.startswith("content-replaced")]
    assert sum(int(one.rpartition("instances=")[2]) for one in replaced) == 5


def test_a_study_of_mixed_identities_waits_for_the_rest(replacing: Bench) -> None:
    bench = replacing
    _scored(bench)
    *most, last = _corrected()
    bench.push(*most)
    _settle(bench)
    assert _states(bench) == ["quarantined"]
    assert bench.registry.outbox.counts()["waiting"] == 0
    bench.push(last)
    assert _states(bench) == ["receiving"]
    _settle(bench)
    assert _states(bench) == ["queued"]


def test_an_rtstruct_approved_again_and_a_changed_slice_are_new_contents(
    replacing: Bench,
) -> None:
    bench = replacing
    slices, drawn = whole_study()
    study = _scored(bench)
    first = bench.registry.outbox.files(study).content_digest
    drawn.ApprovalStatus = "APPROVED"
    slices[0].AccessionNumber = "2"
    bench.push(drawn, slices[0])
    _settle(bench)
    assert _states(bench) == ["queued"]
    assert bench.registry.outbox.files(study).content_digest != first


def test_the_older_bytes_change_nothing_when_they_come_again_and_the_newer_are_committed(
    replacing: Bench,
) -> None:
    bench = replacing
    _scored(bench)
    bench.push(*_corrected())
    _settle(bench)
    before = bench.registry.instances.paths()
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.push(*_corrected())
    _settle(bench)
    assert bench.registry.instances.paths() == before
    uid = str(slices[0].SOPInstanceUID)
    asked = CommitmentRequest("1.2.3", (Reference(CT_IMAGE_STORAGE, uid),))
    assert bench.intake.verify("alpha", asked).failed == ()


def test_the_registry_is_rebuilt_with_the_newest_contents(replacing: Bench) -> None:
    bench = replacing
    _scored(bench)
    bench.push(*_corrected())
    bench.push(*_corrected("P3"))
    before = bench.registry.instances.paths()
    assert all("~2" in one for one in before)
    again = bench.reopen()
    assert again.registry.instances.paths() == before
    assert again.intake.reindex().set_aside == 0
    again.registry.instances.forget(before)
    done = again.intake.reindex()
    assert (done.added, done.set_aside) == (5, 0)
    assert again.registry.instances.paths() == before
    assert list(again.archive.quarantined.rglob("*.dcm")) == []
    again.close()


def test_without_the_policy_an_operator_accepts_what_was_refused(bench: Bench) -> None:
    study = _scored(bench)
    for one in [*_corrected("P9"), *_corrected("P2")]:
        with pytest.raises(ConflictingContentError):
            bench.push(one)
    assert _states(bench) == ["scored"]
    done = accept_newer(bench.archive, bench.registry, NAMES, study, "A. Manager", "ID corrected")
    assert (done.center, done.instances) == ("alpha", 5)
    assert _states(bench) == ["receiving"]
    _settle(bench)
    assert _states(bench) == ["queued"]
    assert (
        bench.registry.outbox.files(study).patient_key
        == NAMES.keys("alpha", _identity("P2")).patient
    )
    with bench.registry._database.read() as connection:
        rows = connection.execute(replacements.select()).all()
    assert {(one.accepted_by, one.reason, len(rows)) for one in rows} == {
        ("A. Manager", "ID corrected", 5)
    }
    with pytest.raises(StudyStateError, match="Nothing newer"):
        accept_newer(bench.archive, bench.registry, NAMES, study, "A. Manager", "once more")


def _identity(patient: str) -> Identity:
    one = ct_slice(0, patient=patient)
    return Identity(
        str(one.SOPInstanceUID),
        str(one.SOPClassUID),
        str(one.StudyInstanceUID),
        str(one.SeriesInstanceUID),
        patient,
    )


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("x", " "), ("x" * 65, "x")])
def test_who_accepts_says_who_and_why(bench: Bench, by: str, reason: str) -> None:
    with pytest.raises(StudyStateError, match="of an acceptance has"):
        accept_newer(bench.archive, bench.registry, NAMES, "study", by, reason)


def test_what_waits_with_the_older_content_is_not_handed_out(replacing: Bench) -> None:
    bench = replacing
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.push(_corrected()[0])
    assert bench.registry.outbox.claim("worker", 60.0) is None


def _moved(*slices: Dataset, study: str = "1.2.77") -> list[Dataset]:
    for one in slices:
        one.StudyInstanceUID = study
    return list(slices)


def _by_study(bench: Bench) -> dict[str, tuple[StudyState, str | None]]:
    return {one.study_key: (one.state, one.sentence) for one in bench.registry.studies.summaries()}


def test_instances_that_moved_to_another_study_are_decided_there(replacing: Bench) -> None:
    bench = replacing
    old = _scored(bench)
    slices, drawn = whole_study()
    bench.push(*_moved(*slices, drawn))
    (new,) = set(_by_study(bench)) - {old}
    assert set(_states(bench)) == {"receiving"}
    _settle(bench)
    after = _by_study(bench)
    assert after[new][0] is StudyState.QUEUED
    state, sentence = after[old]
    assert state is StudyState.INCOMPLETE
    assert sentence is not None
    assert "came again in another study" in sentence
    with pytest.raises(UnknownStudyError, match="replaced by a newer one"):
        bench.registry.outbox.files(old)
    files = bench.registry.outbox.files(new)
    assert all(one.path.name.endswith("~1.dcm") for one in (files.rtstruct, *files.ct))
    assert len(list(bench.archive.files())) == 10  # the older bytes stay kept
    drawn.ApprovalStatus = "APPROVED"
    bench.push(drawn)  # newer again, in the study that it is in now
    assert sum("~2.dcm" in one for one in bench.registry.instances.paths()) == 1
    bench.push(*_moved(*slices, drawn), *whole_study()[0])  # and change nothing when they come
    before = bench.registry.instances.paths()
    again = bench.reopen()
    assert again.registry.instances.paths() == before
    again.registry.instances.forget(before)
    assert (again.intake.reindex().set_aside, again.registry.instances.paths()) == (0, before)
    again.close()


def test_one_slice_that_moved_leaves_both_studies_to_be_decided(replacing: Bench) -> None:
    bench = replacing
    old = _scored(bench)
    (slice_,) = _moved(ct_slice(3, patient="P2"))
    bench.push(slice_)
    assert set(_states(bench)) == {"receiving"}
    bench.clock.advance(61)
    bench.registry.studies.settle(center(completeness=Completeness.STRICT))
    state, sentence = bench.state(old)
    assert state is StudyState.INCOMPLETE
    assert sentence is not None
    assert "of which 3 are here" in sentence
    (other,) = set(_by_study(bench)) - {old}
    assert str(bench.state(other)[1]).startswith("1 CT slice has arrived but no RTSTRUCT: send")


def test_an_operator_accepts_what_moved_by_the_study_that_the_incident_names(bench: Bench) -> None:
    old = _scored(bench)
    slices, drawn = whole_study()
    for one in _moved(*slices, drawn):
        with pytest.raises(ConflictingContentError, match="in another study"):
            bench.push(one)
    assert {one.subject for one in bench.registry.incidents.latest()} == {old}
    done = accept_newer(bench.archive, bench.registry, NAMES, old, "A. Manager", "merged")
    assert done.instances == 5
    _settle(bench)
    assert sorted(_states(bench)) == ["incomplete", "queued"]


def test_an_operator_accepts_one_instance_alone(bench: Bench) -> None:
    study = _scored(bench)
    first, second, *_ = _corrected("P1")
    for number, one in enumerate((first, second)):
        one.AccessionNumber = str(number + 7)
        with pytest.raises(ConflictingContentError):
            bench.push(one)
    key = NAMES.keys("alpha", _identity("P1")).instance

    def accept() -> int:
        return accept_newer(
            bench.archive, bench.registry, NAMES, study, "A. Manager", "accession", key
        ).instances

    assert accept() == 1
    assert sum("~1" in one for one in bench.registry.instances.paths()) == 1
    with pytest.raises(StudyStateError, match=f"instance {key}, is in the quarantine"):
        accept()
    _settle(bench)
    assert _states(bench) == ["queued"]


@pytest.mark.parametrize("what", ["approved", "another patient"])
def test_a_newer_rtstruct_reopens_the_study_that_it_was_joined_to(
    replacing: Bench, what: str
) -> None:
    bench = replacing
    slices, _ = whole_study()
    drawn = rtstruct([str(one.SOPInstanceUID) for one in slices], study="1.2.2")
    bench.push(*slices, drawn)
    of_ct = bench.claim().study_key
    first = bench.registry.outbox.files(of_ct)
    bench.registry.outbox.finish(
        of_ct, first.content_digest, "m" * 64, StudyState.SCORED, None, None
    )
    if what == "approved":
        drawn.ApprovalStatus = "APPROVED"
    else:
        drawn.PatientID = "P2"
    bench.push(drawn)
    assert bench.state(of_ct)[0] is StudyState.RECEIVING
    with pytest.raises(UnknownStudyError, match="replaced by a newer one"):
        bench.registry.outbox.files(of_ct, first.content_digest)
    _settle(bench)
    if what == "approved":
        assert bench.state(of_ct)[0] is StudyState.QUEUED
        assert bench.registry.outbox.files(of_ct).content_digest != first.content_digest
    else:
        assert bench.state(of_ct)[0] is StudyState.INCOMPLETE


def test_a_newer_content_of_what_is_not_scored_leaves_the_rest_in_the_outbox(
    replacing: Bench,
) -> None:
    bench = replacing
    slices, drawn = whole_study()
    scout = ct_slice(0, series="1.2.1.5")
    bench.push(scout, *slices, drawn)
    scout.AccessionNumber = "2"
    bench.push(scout)
    _settle(bench)
    assert _states(bench) == ["queued"]
    assert len(bench.registry.outbox.files(bench.claim().study_key).ct) == 4
