"""The commands: what an operator types, what is answered, and with which exit code."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import config

from dicom_node.__main__ import main
from dicom_node.settings import NodeSettings
from tests.support.intake_bench import Bench, ct_slice, whole_study


@pytest.fixture(autouse=True)
def unchanged_libraries() -> Iterator[None]:
    """The commands quieten the DICOM libraries for their whole process, which is this one here."""
    loggers = [logging.getLogger(name) for name in ("pynetdicom", "pydicom")]
    levels, mode = [one.level for one in loggers], config.settings.reading_validation_mode
    yield
    config.settings.reading_validation_mode = mode
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def _run(settings_file: Path, *arguments: str) -> int:
    return main(["--settings", str(settings_file), *arguments])


def test_status_and_incidents_are_tables(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(settings_file, "status") == 0
    assert "No study has been received yet." in capsys.readouterr().out
    assert _run(settings_file, "incidents") == 0
    assert capsys.readouterr().out == "No incidents.\n"
    bench = Bench(settings_file.parent / "node")
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.registry.incidents.record("low-disk", "the disk is full", None, "archive")
    bench.close()
    _run(settings_file, "status")
    head, study, _, outbox = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["STUDY", "PATIENT", "CENTRE"]
    assert study.split()[2:5] == ["alpha", "queued", "5"]
    assert (
        outbox
        == "Outbox, complete studies for scoring: 1 waiting, 0 being worked on, 0 held, 0 done"
    )
    _run(settings_file, "incidents")
    assert "the disk is full" in capsys.readouterr().out


def test_reindex_says_what_it_did(settings_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(settings_file.parent / "node")
    bench.push(ct_slice(0), ct_slice(1))
    bench.close()
    for left in bench.folder.glob("registry.sqlite*"):
        left.unlink()
    assert _run(settings_file, "reindex") == 0
    assert capsys.readouterr().out.startswith("2 files indexed, 0 entries")


def test_studies_are_exported_without_identity_beside_a_running_node(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(settings_file.parent / "node")
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    out = settings_file.parent / "out"
    assert _run(settings_file, "export", str(out)) == 1
    assert "0 studies written" in capsys.readouterr().out
    assert _run(settings_file, "export", str(out), "--trust-derived", "--center", "alpha") == 0
    assert capsys.readouterr().out == f"1 study written to {out}, 0 not.\n"
    assert len(list(out.glob("alpha/*/*/*.dcm"))) == 5
    assert _run(settings_file, "export", str(bench.folder / "archive")) == 2
    assert "the node's own folder" in capsys.readouterr().err
    bench.close()


def test_a_folder_that_is_in_use_is_told(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(settings_file.parent / "node")
    assert _run(settings_file, "reindex") == 1
    assert "Another node has the folder" in capsys.readouterr().err
    bench.close()


@pytest.mark.parametrize(
    ("arguments", "text", "sentence"),
    [
        (["serve"], "[node]\nprot = 1", "node.prot"),
        (["serve"], "", "name no centre"),
        (
            ["echo", "beta"],
            None,
            "Centre beta has no AE to call in the settings: expected one of alpha",
        ),
    ],
)
def test_settings_that_cannot_be_used_end_with_two(
    settings_file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str | None,
    sentence: str,
) -> None:
    if text is not None:
        settings_file.write_text(text, encoding="utf-8")
    assert _run(settings_file, *arguments) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
def test_an_echo_that_is_not_answered_ends_with_one(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(settings_file, "echo", "alpha") == 1
    assert "is not reached" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", NodeSettings.load(settings_file).node.port))
        other.listen()
        assert _run(settings_file, "serve") == 1
    assert "Address already in use" in capsys.readouterr().err
