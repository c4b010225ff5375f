"""What the field spoils: each bad study ends with a sentence in log, registry and Prefect; the
others are unharmed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from deploy.local.processes import free_port
from dicom_node.errors import StudyStateError
from dicom_node.pseudonym import patient_key
from dicom_node.registry.registry import StudyState, StudySummary
from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from flows.installation import Installation
from flows.operators.release_study import release_quarantined
from flows.settings import Settings
from tests.support import synthetic_studies as spoil
from tests.support.running_installation import NewInstallation, Running
from tests.support.settings_tables import center_table
from tests.support.waiting import wait_until

Peer = Callable[[str], str]

SPOILED: dict[str, tuple[Callable[[list[Path]], list[Path]], str]] = {
    "NO-GTV": (spoil.without_gtv, r"(?i)no ROI|found none|expected one ROI"),
    "TWO-GTV": (spoil.with_two_gtvs, r"(?i)GTV-1.*GTVp"),
    "GAP": (spoil.without_a_slice, r"(?i)gap|missing|slice"),
    "FRAME": (spoil.in_another_frame_of_reference, r"(?i)frame of reference"),
    "EMPTY": (spoil.with_empty_contour, r"(?i)no contour|empty"),
    "VOXEL": (spoil.with_one_voxel_contour, r"(?i)voxel"),
}

pytestmark = [pytest.mark.peers, pytest.mark.slow]


@pytest.fixture(scope="module")
def running(new_installation: NewInstallation) -> Iterator[Running]:
    nobody_listens = ("PACS", free_port())
    centers = center_table("GOOD") + center_table("BAD") + center_table("BACK", pacs=nobody_listens)
    with new_installation(centers) as running:
        yield running


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("studies")
    return {name: spoil.write_study(folder / name, name) for name in ("GOOD-1", "GOOD-2", *SPOILED)}


def test_bad_studies_are_quarantined_with_a_sentence_and_good_ones_scored(
    running: Running, peer: Peer, studies: dict[str, list[Path]]
) -> None:
    assert running.push(peer, studies["GOOD-1"], "GOOD") == 0
    for name, (spoiled, _) in SPOILED.items():
        assert running.push(peer, spoiled(studies[name]), "BAD") == 0
    assert running.push(peer, studies["GOOD-2"], "GOOD") == 0

    quarantined = running.wait_for(len(SPOILED), StudyState.QUARANTINED)
    scored = running.wait_for(2, StudyState.SCORED)
    assert {study.center for study in scored} == {"GOOD"}
    assert len(quarantined) == len(SPOILED)

    # the registry knows a verdict a moment before the run that found it has ended
    wait_until(
        lambda: (
            sum(run["state"]["name"] == "Quarantined" for run in running.own_runs()) >= len(SPOILED)
        ),
        60,
        "the runs of the quarantined studies have ended",
    )
    sentences = [study.sentence or "" for study in quarantined]
    log = running.system.log("dispatcher").read_text()
    in_prefect = {run["parameters"]["study_key"]: run["state"] for run in running.own_runs()}
    for name, (_, pattern) in SPOILED.items():
        assert any(re.search(pattern, sentence) for sentence in sentences), (name, sentences)
    for study in quarantined:
        print(f"\n{study.sentence}")
        assert study.sentence is not None
        assert study.sentence in log
        assert in_prefect[study.study_key]["name"] == "Quarantined"
        assert in_prefect[study.study_key]["message"] == study.sentence
        assert "SYNTHETIC" not in study.sentence

    # the patients of the good centre are in no clinical table: scored with a warning, left out of
    # validation
    without_row = running.registry.studies.summaries("GOOD")
    assert all(
        study.state is StudyState.SCORED and "warning" in (study.sentence or "")
        for study in without_row
    )
    state = running.run_flow("validate", "GOOD")
    assert state.returncode == 1
    assert "the centre's clinical table has no row for this patient" in state.stdout


def test_a_study_that_expectations_alone_keep_back_is_scored_when_an_operator_releases_it(
    running: Running, peer: Peer, tmp_path: Path
) -> None:
    key = running.environment["ANNULUS_PSEUDONYM_KEY"].encode()
    patient = patient_key(
        key, "GOOD", str(dcmread(spoil.write_study(tmp_path / "a", "LARGE")[0]).PatientID)
    )
    record = ClinicalRecord(
        patient, "GOOD", 60.0, Sex.MALE, Histology.LARGE_CELL, "IIIA", 100.0, event=True
    )
    work = Installation(Settings.load(running.settings))
    work.store.put_clinical(ClinicalTable((record,), ()))
    assert running.push(peer, spoil.write_study(tmp_path / "b", "LARGE"), "GOOD") == 0

    def study() -> StudySummary:
        return next(one for one in running.studies() if one.patient_key == patient)

    wait_until(
        lambda: any(one.patient_key == patient for one in running.studies()),
        60,
        "the study is here",
    )
    wait_until(lambda: study().state is StudyState.QUARANTINED, 60, "the study is quarantined")
    found = "The histology is large cell, expected adenocarcinoma or squamous cell carcinoma."
    assert study().sentence == found
    release = release_quarantined(work, study().study_key, "biopsy read again", "Dr. Example")
    assert dict(release.waived) == {"histology": found}
    wait_until(lambda: study().state is StudyState.SCORED, 60, "the released study is scored")
    told = f"{found} Scored all the same: released by Dr. Example, biopsy read again."
    score = work.store.score(study().study_key, release.content_digest, running.bundle_digest)
    assert score is not None
    assert told in score.warnings
    (report,) = (running.folder / "node" / "structured_reports").rglob(f"{study().study_key}/*.dcm")
    assert told in report.read_bytes().decode("utf-8", errors="replace")
    others = next(
        one
        for one in running.registry.studies.summaries("BAD")
        if one.state is StudyState.QUARANTINED
    )
    with pytest.raises(StudyStateError, match="no features can be computed from data like this"):
        release_quarantined(work, others.study_key, "let it pass", "Dr. Example")
    work.registry.close()
    assert running.state_of(others.study_key) is StudyState.QUARANTINED


def test_nobody_unknown_is_let_in_and_that_is_seen(
    running: Running, peer: Peer, studies: dict[str, list[Path]]
) -> None:
    assert running.push(peer, studies["GOOD-1"][:1], "STRANGER") != 0

    def shown() -> bool:
        return any("STRANGER" in (run["state"]["message"] or "") for run in running.flow_runs())

    wait_until(shown, 60, "the refusal is a Prefect run")
    (incident,) = [
        item for item in running.registry.incidents.latest() if "STRANGER" in item.sentence
    ]
    assert incident.sentence in running.system.log("node").read_text()
    assert {item.center for item in running.studies()} <= {"GOOD", "BAD"}


def test_a_truncated_slice_is_refused_and_the_study_goes_on_when_it_comes_whole(
    running: Running, peer: Peer, tmp_path: Path
) -> None:
    whole = spoil.write_study(tmp_path / "whole", "CUT")
    cut = dcmread(whole[12])
    cut.PixelData = cut.PixelData[:1000]
    cut.save_as(tmp_path / "cut.dcm")
    assert running.push(peer, [*whole[:12], *whole[13:], tmp_path / "cut.dcm"], "GOOD") != 0
    (study,) = running.wait_for(1, StudyState.INCOMPLETE)
    assert "damaged" in (study.sentence or "")
    (incident,) = [item for item in running.registry.incidents.latest() if item.center == "GOOD"]
    assert incident.sentence in running.system.log("node").read_text()
    wait_until(
        lambda: any(run["state"]["message"] == incident.sentence for run in running.flow_runs()),
        60,
        "a Prefect run",
    )
    assert running.push(peer, whole, "GOOD") == 0
    wait_until(
        lambda: running.state_of(study.study_key) is StudyState.SCORED,
        120,
        "the whole study is scored",
    )


def test_a_structure_that_is_drawn_anew_is_scored_anew_and_the_report_names_the_one_before(
    running: Running, peer: Peer, tmp_path: Path
) -> None:
    files = spoil.write_study(tmp_path / "redrawn", "REDRAWN")
    known = {study.study_key for study in running.studies()}
    assert running.push(peer, files, "BACK") == 0
    wait_until(
        lambda: {one.study_key for one in running.studies()} > known, 60, "the study is here"
    )
    (key,) = {one.study_key for one in running.studies()} - known
    reports = running.folder / "node" / "structured_reports"
    wait_until(lambda: running.state_of(key) is StudyState.SCORED, 300, "the study is scored")
    (first,) = _reports(reports, key)
    assert running.push(peer, [spoil.drawn_anew(files)[-1]], "BACK") == 0
    wait_until(lambda: len(_reports(reports, key)) == 2, 120, "the study is scored again")
    (second,) = (
        one for one in _reports(reports, key) if one.SOPInstanceUID != first.SOPInstanceUID
    )
    (replaced,) = (
        item
        for study in second.PredecessorDocumentsSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    )
    assert replaced.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert (second.StudyInstanceUID, second.InstanceNumber) == (first.StudyInstanceUID, 2)
    assert "PredecessorDocumentsSequence" not in first


def _reports(folder: Path, study_key: str) -> list[Dataset]:
    found = (dcmread(path) for path in folder.rglob("*.dcm") if study_key in str(path))
    return [one for one in found if one.Modality == "SR"]


def test_a_changed_file_and_a_changed_bundle_are_noticed_and_nothing_is_lost(
    running: Running, peer: Peer, tmp_path: Path, bundle: tuple[Path, str]
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(bundle[0], changed)
    weights = bytearray((changed / "network.npz").read_bytes())
    weights[len(weights) // 2] ^= 1
    (changed / "network.npz").write_bytes(weights)
    running.system.kill("dispatcher")
    known = set((running.folder / "node" / "archive").rglob("*.dcm"))
    assert running.push(peer, spoil.write_study(tmp_path / "rot", "ROT"), "GOOD") == 0
    victim = next(
        path for path in (running.folder / "node" / "archive").rglob("*.dcm") if path not in known
    )
    victim.chmod(0o600)
    victim.write_bytes(victim.read_bytes()[:-4000])
    (rotten,) = (study.study_key for study in running.wait_for(1, StudyState.QUEUED))
    assert running.push(peer, spoil.write_study(tmp_path / "sound", "SOUND"), "GOOD") == 0
    (sound,) = {study.study_key for study in running.wait_for(2, StudyState.QUEUED)} - {rotten}

    running.use_bundle(changed)
    running.system.start_dispatcher()
    for study in running.wait_for(2, StudyState.HELD):
        assert "network.npz" in (study.sentence or "")
    wait_until(
        lambda: {"Held"} <= {run["state_name"] for run in running.own_runs()}, 60, "a run says Held"
    )
    held = next(run for run in running.own_runs() if run["state_name"] == "Held")
    assert "network.npz" in held["state"]["message"]

    shutil.copy(bundle[0] / "network.npz", changed / "network.npz")
    wait_until(
        lambda: not running.studies(StudyState.HELD, StudyState.QUEUED),
        180,
        "nothing is held any more",
    )
    found = {study.study_key: study for study in running.studies()}
    assert "is not the one that was received" in (found[rotten].sentence or "")
    assert found[rotten].state is StudyState.QUARANTINED
    assert found[sound].state is StudyState.SCORED
