"""Release, requeue, redeliver and the pages, on a real registry: what is done is said, what is not
is a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_node.errors import ConflictingContentError
from dicom_node.registry.registry import StudyState
from dicom_node.settings import SettingsError
from feature_store.rules import Finding, Severity
from feature_store.tables.store import FeatureStore, StudyIdentity
from flows import __main__ as command_line
from flows.installation import Installation, installation
from flows.operators.requeue import RequeueRequest, requeue_studies
from flows.settings import Settings
from tests.support.feature_stores import check
from tests.support.intake_bench import KEY, Bench, whole_study

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

Run = Callable[..., tuple[int, str]]
MODEL = "m" * 64
HISTOLOGY = Finding(
    Severity.CRITICAL, "histology", "The histology is large cell, expected adenocarcinoma."
)
NO_GTV = Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV.")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


@pytest.fixture
def run(
    tmp_path: Path,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    settings = tmp_path / "annulus.toml"
    settings.write_text(
        f"[node]\nfolder = '{bench.folder}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
    )
    monkeypatch.setenv("ANNULUS_SETTINGS", str(settings))
    installation.cache_clear()

    def command(*arguments: str) -> tuple[int, str]:
        code = command_line.main([*arguments])
        said = capsys.readouterr()
        return code, (said.out + said.err).strip()

    yield command
    installation().registry.close()
    installation.cache_clear()


def _finished(
    bench: Bench, state: StudyState, findings: tuple[Finding, ...] = (), sentence: str = ""
) -> str:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.registry.outbox.claim("worker", 60)
    assert item is not None
    identity = StudyIdentity(item.center, item.patient_key, item.study_key, item.content_digest)
    FeatureStore(bench.folder / "feature_store").put_check(check("study", identity, *findings))
    sentence = sentence or " ".join(one.sentence for one in findings)
    bench.registry.outbox.finish(item.study_key, item.content_digest, MODEL, state, sentence, None)
    return item.study_key


def test_a_release_says_in_spite_of_what_and_is_listed(bench: Bench, run: Run) -> None:
    assert run("releases") == (0, "No study has been released.")
    key = _finished(bench, StudyState.QUARANTINED, (HISTOLOGY,))
    (study,) = bench.registry.studies.summaries()
    shown_by_the_ui = f"alpha · {study.patient_key}"
    code, said = run(
        "release", shown_by_the_ui, "--by", "Dr. Example", "--reason", "biopsy read again"
    )
    assert code == 0
    assert f"Study {key} of centre alpha was released by Dr. Example" in said
    assert "(biopsy read again), despite: The histology is large cell" in said
    assert run("releases") == (0, said)
    assert [study.state for study in bench.registry.studies.summaries()] == [StudyState.QUEUED]
    assert run("release", key, "--by", "A", "--reason", "B") == (
        1,
        f"Study {key} is queued: only a complete study that is quarantined can be released.",
    )


@pytest.mark.parametrize(
    ("findings", "sentence", "because"),
    [
        ((NO_GTV, HISTOLOGY), "", "whoever decides. No ROI is the GTV."),
        ((), "A CT slice cannot be read.", "whoever decides. A CT slice cannot be read."),
        (
            (HISTOLOGY,),
            "The GTV lies off the slices.",
            "whoever decides. The GTV lies off the slices.",
        ),
    ],
)
def test_data_that_nothing_can_be_computed_from_is_never_released(
    bench: Bench, run: Run, findings: tuple[Finding, ...], sentence: str, because: str
) -> None:
    key = _finished(bench, StudyState.QUARANTINED, findings, sentence)
    code, said = run("release", key, "--by", "A", "--reason", "B")
    assert code == 1
    assert "no features can be computed from data like this, whoever decides" in said
    assert because in said
    assert bench.registry.releases.recorded() == []


def test_studies_are_requeued_by_name_or_by_centre_and_state(bench: Bench, run: Run) -> None:
    key = _finished(bench, StudyState.QUARANTINED, (NO_GTV,))
    assert run("requeue", "--center", "alpha") == (0, "0 studies are worked on again.")
    assert run("requeue", "--center", "alpha", "--state", "quarantined") == (
        0,
        "1 study is worked on again.",
    )
    code, said = run("requeue", "nobody", key)
    assert code == 1
    assert "1 study is worked on again" in said
    assert "No study and no patient has the name that was given, of 6 characters" in said
    assert "neither studies nor a centre, or both" in run("requeue")[1]
    assert run("requeue", "--center", "omega") == (
        2,
        "The settings file has no centre omega: it has alpha.",
    )
    assert run("redeliver", key)[1] == (
        f"Study {key} is queued and has no report to deliver: expected one that was scored while "
        "its centre had a return_to; `python -m flows requeue --again` scores it once more."
    )
    with pytest.raises(SettingsError, match="no centre omega"):
        requeue_studies(Installation(Settings.load()), RequeueRequest(center="omega"))


def test_the_pages_are_written_where_the_command_says(bench: Bench, run: Run) -> None:
    key = _finished(bench, StudyState.QUARANTINED, (NO_GTV,))
    code, said = run("expectations")
    assert code == 0
    index = Path(said.splitlines()[-1])
    assert index == bench.folder / "expectation_pages" / "index.html"
    assert key in (index.parent / "center-alpha.html").read_text()


def test_a_misspelt_code_is_an_error_that_names_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "annulus.toml").write_text("[expectations]\nquarantine = ['kpv', 'gtv-name']\n")
    monkeypatch.setenv("ANNULUS_SETTINGS", str(tmp_path / "annulus.toml"))
    with pytest.raises(
        SettingsError, match=r"gtv-name and kpv cannot be chosen: did you mean gtv-volume and kvp\?"
    ):
        Settings.load()


def test_refused_newer_contents_are_accepted_with_who_and_why(
    run: Run, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", KEY.decode())
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    (study,) = bench.registry.studies.summaries()
    asked = ("accept", study.study_key, "--by", "A. Manager", "--reason", "contours corrected")
    code, said = run(*asked)
    assert code == 1
    assert "Nothing newer of study" in said
    drawn.ApprovalStatus = "APPROVED"
    with pytest.raises(ConflictingContentError):
        bench.push(drawn)
    code, said = run(*asked)
    assert (code, "1 instance of study" in said) == (0, True)
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.RECEIVING
