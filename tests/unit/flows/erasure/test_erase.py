"""One of 24 patients withdraws: nothing of the person is left, nothing of the others changes, and a
back-up from before brings nobody back.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from dicom_node.archive.erased_people import ErasedPeople
from dicom_node.errors import ErasedPersonError, StudyStateError
from dicom_node.intake.refusals import status_of
from dicom_node.network.commitment_messages import CommitmentRequest, Reference
from feature_store.tables.store import FeatureStore
from flows import __main__ as command_line
from flows.data.erased import came_back, refuse_work_on
from flows.data.import_clinical import import_clinical
from flows.erasure import erase as erasing
from flows.erasure.erase import ErasureError, erase_person, go_on
from flows.erasure.ledger import CertificateError, Ledger, unfinished, verified
from flows.erasure.person import UnknownPersonError, find_person, found_in_words
from flows.erasure.report_folders import is_in
from flows.installation import installation
from flows.validation.as_of import AsOf
from flows.validation.cohort_query import CohortQuery
from flows.validation.validate import gather_cohort, provenance
from models.__main__ import main as models_main
from tests.support.intake_bench import KEY
from tests.unit.flows.erasure.conftest import (
    PATIENTS,
    UID,
    WHO,
    Hospital,
    key_of,
    patient_id,
    slices_of,
    table,
)
from validation_reports.cohort.same_images import SameImages
from validation_reports.disclosure.what_leaves import Disclosure, what_leaves
from validation_reports.report.validation_report import build_report, to_json
from validation_reports.report_folder import write_report_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning"),
]

BY = ("A. Manager", "consent withdrawn")
WHY = ("--by", BY[0], "--reason", BY[1])


def texts_of(path: Path) -> Iterator[bytes]:
    """Yield a file in every form that the installation has, by other code than the product's."""
    content = path.read_bytes()
    yield content
    if content.startswith(b"PAR1"):
        yield repr(pq.ParquetFile(path).read().to_pydict()).encode()
    if content.startswith(b"SQLite"):
        with sqlite3.connect(path) as database:
            yield "\n".join(database.iterdump()).encode()
    if b"%PDF" in content:
        for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
            try:
                yield zlib.decompress(stream.strip(b"\r\n"))
            except zlib.error:
                yield stream


def naming(folder: Path, names: set[str]) -> list[str]:
    """Return the files below a folder that name the person."""
    pattern = re.compile("|".join(rf"{re.escape(name)}(?![0-9.])" for name in names).encode())
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if pattern.search(path.name.encode())
        or (path.is_file() and any(pattern.search(text) for text in texts_of(path)))
    ]


def names_of_person(hospital: Hospital) -> set[str]:
    studies = {
        one.study_key
        for one in hospital.bench.registry.studies.summaries()
        if one.patient_key == key_of(WHO)
    }
    assert len(studies) == 1
    return {key_of(WHO), patient_id(WHO), UID.format(WHO), *studies}


def commanded(
    hospital: Hospital,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *arguments: str,
) -> tuple[int, str, str]:
    """Run `erase` on the command line of the installation."""
    installation.cache_clear()
    with monkeypatch.context() as patched:
        patched.setenv("ANNULUS_SETTINGS", str(hospital.folder / "annulus.toml"))
        code = command_line.main(["erase", *arguments])
        installation().registry.close()
    installation.cache_clear()
    said = capsys.readouterr()
    return code, said.out, said.err


def others(folder: Path) -> dict[str, Any]:
    """Return the rows of every table's newest version without the person's."""
    store = FeatureStore(folder)
    return {
        name: sorted(
            (row for row in store.rows(name, {}).to_pylist() if row["patient_key"] != key_of(WHO)),
            key=repr,
        )
        for name in store.versions()
    }


def numbers(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / "report.json").read_text())
    found.pop("erased")
    for center in found["centers"]:
        center["excluded"] = [(reason, len(keys)) for reason, keys in center["excluded"]]
    return found


def test_nothing_of_one_patient_is_left_and_everything_of_the_others(
    hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names, home = names_of_person(hospital), hospital.bench.folder
    report, store = home / "reports" / "early", Path(hospital.work.settings.store_location())
    before, rows, versions = numbers(report), others(store), hospital.work.store.versions()
    checked = (report / "r-check" / "patients.csv").read_text().splitlines()
    bundle = (hospital.folder / "bundles" / "one" / "manifest.json").read_bytes()
    assert len(naming(hospital.folder, names)) > 20

    broken = home / "clinical_drop" / "alpha" / "refused" / "20260101T000000-c.xlsx"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"PK\x03\x04 no zip")
    person = find_person(hospital.work, KEY, patient_id(WHO), "alpha")
    assert find_person(hospital.work, KEY, key_of(WHO), None) == person
    assert find_person(hospital.work, KEY, person.studies[0], None) == person
    said = commanded(hospital, capsys, monkeypatch, patient_id(WHO), "--center", "alpha", *WHY)[1]
    assert "1 study of centre alpha, with 6 DICOM files." in said
    assert re.search(r"scores \d", said)
    assert "1 report: early." in said
    assert "2 rows of clinical tables" in said
    assert "The training of 1 bundle" in said
    with pytest.raises(ErasureError, match=r"the node and .*registry.sqlite open would write"):
        erase_person(hospital.at, person, *BY)
    assert len(naming(hospital.folder, names)) > 20  # nothing was touched, but from now on
    with pytest.raises(ErasedPersonError):
        hospital.bench.push(*slices_of(WHO))
    hospital.close()
    back_up = tmp_path / "back-up"
    shutil.copytree(home, back_up, ignore=shutil.ignore_patterns("erasures"))

    (ledger,) = go_on(hospital.at)
    assert naming(hospital.folder, names) == []
    certificate = verified(ledger.certificate, KEY)
    code, said, _ = commanded(hospital, capsys, monkeypatch, "--verify", str(ledger.certificate))
    assert code == 0
    assert "nothing of the person was found" in said
    assert "clinical tables: 1 refused table there cannot be looked through" in said
    assert "outside, ask there: the centre's own PACS" in said
    assert certificate["found"] == []
    assert certificate["searched"]["unpacked"].keys() >= {"Parquet", "SQLite", "PDF"}
    assert certificate["erasure"]["by"] == BY[0]
    assert unfinished(hospital.at.erased) == []
    # the others are as they were
    assert others(store) == rows
    assert FeatureStore(store).versions() == versions
    assert numbers(report) == before
    kept = (report / "r-check" / "patients.csv").read_text().splitlines()
    assert len(kept) == len(checked) - 1
    assert set(kept) < set(checked)
    assert "reproducible except for 1 erased" in (report / "report.html").read_text()
    assert (home / "clinical_drop/alpha/imported/20260101T000000-b.csv").read_text() == (
        re.sub(rf"{patient_id(WHO)}.*\n.*\n", "", table())
    )
    assert (home / "system" / "annulus.log").read_text() == "node     ready\n"
    assert (home / "expectation_pages" / "index.html").is_file()
    assert (hospital.folder / "bundles" / "one" / "manifest.json").read_bytes() == bundle
    assert models_main(["show", str(hospital.folder / "bundles" / "one")]) == 0
    assert "erased since    1 of them" in capsys.readouterr().out

    hospital.reopen()
    states = hospital.bench.registry.studies.summaries()
    assert [one.patient_key for one in states].count(key_of(WHO)) == 0
    assert len(states) == 2
    _nothing_new_is_taken(hospital, names, monkeypatch)
    hospital.close()

    # a back-up from before takes the place of everything
    shutil.rmtree(home)
    shutil.copytree(back_up, home)
    assert len(naming(home, names)) > 20
    assert came_back(hospital.work) is not None
    hospital.reopen()  # the node's start
    assert len(hospital.bench.registry.studies.summaries()) == 2
    hospital.close()
    (again,) = go_on(hospital.at)
    assert verified(again.certificate, KEY)["found"] == []
    assert naming(hospital.folder, names) == []
    assert came_back(hospital.work) is None
    assert go_on(hospital.at) == []
    shutil.rmtree(back_up)


def _nothing_new_is_taken(
    hospital: Hospital, names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = hospital.bench
    files = sorted(bench.folder.rglob("*.dcm"))
    with pytest.raises(ErasedPersonError) as refusal:
        bench.push(*slices_of(WHO))
    assert status_of(refusal.value) == 0x0124
    assert sorted(bench.folder.rglob("*.dcm")) == files
    one = slices_of(WHO)[0]
    asked = CommitmentRequest("1.2.9", (Reference(str(one.SOPClassUID), str(one.SOPInstanceUID)),))
    assert len(bench.intake.verify("alpha", asked).failed) == 1
    incident = bench.registry.incidents.latest()[0]
    assert (incident.kind, incident.subject) == ("erased-person", "objects of erased people")
    study = next(iter(name for name in names if len(name) == 16 and name != key_of(WHO)))
    with pytest.raises(StudyStateError, match="who was erased here"):
        refuse_work_on(hospital.work, study)
    monkeypatch.setenv("ANNULUS_SETTINGS", str(hospital.folder / "annulus.toml"))
    installation.cache_clear()
    dropped = bench.folder / "clinical_drop" / "alpha" / "again.csv"
    dropped.write_text(table().replace("squamous", "squamous cell carcinoma"))
    monkeypatch.setattr("flows.data.import_clinical._WRITTEN_BEFORE_S", 0.0)
    with disable_run_logger():
        state = import_clinical.fn("alpha")
    assert str(state.message).startswith(f"{PATIENTS - 1} patients of centre alpha imported (0 new")
    assert "unchanged), 0 rows rejected; 1 warning: All 23 patients died" in str(state.message)
    (bench.folder.parent / "again.csv").write_text(table())
    with disable_run_logger():
        state = import_clinical.fn("alpha", str(bench.folder.parent / "again.csv"))
    assert "1 row of erased people left out" in (state.message or "")
    (bench.folder.parent / "again.csv").unlink()
    installation.cache_clear()


def test_an_erasure_that_died_after_any_step_goes_on(
    hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, steps = names_of_person(hospital), list(erasing._STEPS)
    person = find_person(hospital.work, KEY, key_of(WHO), None)
    hospital.close()
    for number, name in enumerate(steps):
        step = erasing._STEPS[name]

        def dies(*arguments: Any, step: Any = step) -> list[str]:
            step(*arguments)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setitem(erasing._STEPS, name, dies)
            with pytest.raises(KeyboardInterrupt):
                erase_person(hospital.at, person, *BY) if not number else go_on(hospital.at)
    (ledger,) = unfinished(hospital.at.erased)
    assert ledger.unfinished.stat().st_mode & 0o077 == 0
    assert list(ledger.steps()) == steps[:-1]
    left = hospital.folder / "node" / "notes.txt"
    left.write_text(f"call {patient_id(WHO)} back")
    with pytest.raises(
        ErasureError, match=r"Files that still name the person: 1; .*node/notes\.txt"
    ):
        go_on(hospital.at)
    left.unlink()
    (ledger,) = go_on(hospital.at)
    assert naming(hospital.folder, names) == []
    content = json.loads(ledger.certificate.read_text())
    changed = {**content, "looked_for": "nothing"}
    other = tmp_path / "changed.json"
    other.write_text(json.dumps(changed))
    with pytest.raises(CertificateError, match="not of this installation's key"):
        verified(other, KEY)
    with pytest.raises(CertificateError, match="cannot be read as a certificate"):
        verified(hospital.folder / "annulus.toml", KEY)


def test_what_cannot_be_erased_is_refused_before_anything_is_removed(
    hospital: Hospital, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, settings = names_of_person(hospital), hospital.folder / "annulus.toml"
    store = Path(hospital.work.settings.store_location())
    hospital.close()
    named = set(naming(hospital.folder, names))
    before = settings.read_text()
    settings.write_text(f"{before}[features]\nstore = 's3://bucket/annulus'\n")
    code, said, _ = commanded(hospital, capsys, monkeypatch, key_of(WHO), *WHY)
    assert code == 0
    assert "Not looked through. The feature store lies in an object store" in said
    code, _, said = commanded(hospital, capsys, monkeypatch, key_of(WHO), *WHY, "--confirm")
    assert code == 1
    assert "copy it to a local disk" in said
    assert "nothing was removed yet." in said
    settings.write_text(before)
    commit = max((store / "scores" / "_delta_log").glob("*.json"))
    whole = commit.read_bytes()
    commit.write_bytes(b"")
    code, _, said = commanded(hospital, capsys, monkeypatch, "--again")
    assert code == 1
    assert "The feature store is damaged" in said
    assert "nothing was removed yet." in said
    commit.write_bytes(whole)
    assert set(naming(hospital.folder, names)) >= named
    (ledger,) = go_on(hospital.at)
    assert verified(ledger.certificate, KEY)["found"] == []
    assert naming(hospital.folder, names) == []


def test_whoever_is_not_known_is_said_to_be_so(
    hospital: Hospital, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commanded(hospital, capsys, monkeypatch, "nobody")[0] == 2
    assert commanded(hospital, capsys, monkeypatch, "nobody", "--again")[0] == 2
    code, _, said = commanded(hospital, capsys, monkeypatch, "nobody", *WHY)
    assert code == 1
    assert "together with --center." in said
    code, said, _ = commanded(hospital, capsys, monkeypatch, "--again")
    assert code == 0
    assert "Nothing of anybody who was erased is here" in said
    with pytest.raises(UnknownPersonError, match="together with --center"):
        find_person(hospital.work, KEY, "nobody", None)
    with pytest.raises(UnknownPersonError, match="check the Patient ID"):
        find_person(hospital.work, KEY, "nobody", "alpha")
    person = find_person(hospital.work, KEY, patient_id(WHO), "alpha")
    with pytest.raises(StudyStateError, match="expected 1 to 300"):
        erase_person(hospital.at, person, "A. Manager", " ")
    assert ErasedPeople(hospital.bench.folder, KEY).entries() == ()
    assert Ledger(hospital.at.erased.folder, "none").steps() == {}


def test_a_report_in_which_nobody_can_be_found_counts_the_person_once(hospital: Hospital) -> None:
    work, query = hospital.work, CohortQuery(name="safe", centers=["alpha"], horizons_days=[365])
    with disable_run_logger():
        everybody = AsOf(work.store.versions())
        cohort = gather_cohort.fn(work, query, "alpha", SameImages(), everybody)
    made = build_report([cohort], provenance(work, query), horizons=(365,), n_resamples=20)
    leaving = what_leaves(made, [cohort], Disclosure.SAFE)
    report, records = work.settings.reports_folder() / "safe", work.settings.records_folder()
    write_report_files(report, leaving.report, leaving.cohorts, of_rows=leaving.of_rows, pdf=False)
    records.mkdir(exist_ok=True)
    (records / "safe.json").write_text(to_json(made))
    person = find_person(work, KEY, key_of(WHO), None)
    assert not is_in(report, person.patients, person.outcome)
    assert "2 reports: early, safe." in found_in_words(work, KEY, person)
    hospital.close()
    erase_person(hospital.at, person, *BY)
    go_on(hospital.at)
    for path in (report / "report.json", records / "safe.json"):
        assert json.loads(path.read_text())["erased"] == 1
    assert "reproducible except for 1 erased" in (report / "report.html").read_text()
    (ledger,) = hospital.at.erased.folder.glob("*.certificate.json")
    assert ledger.name.partition(".")[0] in (report / "ERASED.txt").read_text()
