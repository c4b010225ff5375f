"""Records that came by mistake go, by a recorded command, and earlier versions keep them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feature_store.tables.store import FeatureStore
from flows import __main__ as command_line
from flows.installation import installation
from tests.support.feature_stores import filled_store
from tests.support.settings_tables import center_table

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return filled_store(tmp_path / "node" / "feature_store")


@pytest.fixture
def run(
    tmp_path: Path,
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    del store  # it is filled
    settings = tmp_path / "annulus.toml"
    settings.write_text(f"[node]\nfolder = '{tmp_path / 'node'}'\n{center_table('B')}")
    monkeypatch.setenv("ANNULUS_SETTINGS", str(settings))
    installation.cache_clear()

    def command(*arguments: str) -> tuple[int, str]:
        code = command_line.main(["remove-clinical", *arguments])
        said = capsys.readouterr()
        return code, (said.out + said.err).strip()

    yield command
    installation().registry.close()
    installation.cache_clear()


DECIDED = ("--by", "A. Manager", "--reason", "imported under a wrong key", "--confirm")


def test_records_without_a_study_go_and_the_versions_of_before_keep_them(
    run: Run, store: FeatureStore
) -> None:
    before, kept = store.versions(), store.clinical("B")
    others = [one for one in store.clinical(None) if one.center != "B"]
    assert kept
    assert run("--recorded") == (0, "No clinical record was removed.")
    code, said = run("B", "--without-study")
    assert (code, "would be removed, 0 would stay. Nothing was done" in said) == (0, True)
    assert store.clinical("B") == kept

    code, said = run("B", "--without-study", *DECIDED)
    assert code == 0
    assert "of centre B removed by A. Manager: imported under a wrong key." in said
    assert store.clinical("B") == ()
    assert [one for one in store.clinical(None) if one.center != "B"] == others
    assert store.pinned(before).clinical("B") == kept
    code, said = run("--recorded")
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC  \d+ clinical records? of centre B removed by A. Manager"
    assert re.match(line, said)
    assert run("B", "--all", *DECIDED)[1].startswith("0 clinical records of centre B removed")


def test_only_the_patients_named_or_the_records_since_a_time_go(
    run: Run, store: FeatureStore
) -> None:
    first, *rest = (record.patient_key for record in store.clinical("B"))
    assert run("B", first, *DECIDED)[0] == 0
    assert [record.patient_key for record in store.clinical("B")] == rest
    code, said = run("B", "--since", "2025-01-01T00:00Z")
    assert (code, said.startswith(f"{len(rest)} clinical record")) == (0, True)
    code, said = run("B", first)
    assert (code, f"no clinical record of patient {first}" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("B",), 1, "Say in one way which records are to go"),
        (("B", "--all", "--without-study"), 1, "Say in one way which records are to go"),
        (("B", "--all", "--confirm"), 1, "have 0 and 0 characters: expected both"),
        (("OMEGA", "--all"), 2, "The settings file has no centre OMEGA"),
        (("B", "--since", "2026-01-31T12:00"), 1, "has no zone"),
        ((), 2, "Name a centre, or give --recorded"),
    ],
)
def test_what_is_not_said_well_is_refused(
    run: Run, words: tuple[str, ...], code: int, sentence: str
) -> None:
    found, said = run(*words)
    assert (found, sentence in said) == (code, True), said
