"""The commands: what an operator types, what is answered, and with which exit code."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydicom import config

from deploy.local.processes import free_port
from dicom_node.__main__ import main
from dicom_node.audit import AuditEvent, record
from dicom_node.errors import UnreadableDatasetError
from dicom_node.log_format import JsonFormatter
from dicom_node.node import Node
from dicom_node.settings import NodeSettings
from tests.support.intake_bench import KEY, Bench, ct_slice, request, take, whole_study


@pytest.fixture(autouse=True)
def unchanged_libraries() -> Iterator[None]:
    """The commands quieten the DICOM libraries for their whole process, which is this one here."""
    loggers = [logging.getLogger(name) for name in ("pynetdicom", "pydicom")]
    levels, mode = [one.level for one in loggers], config.settings.reading_validation_mode
    yield
    config.settings.reading_validation_mode = mode
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", KEY.decode())
    path = tmp_path / "annulus.toml"
    path.write_text(
        f"""
        [node]
        folder = "{tmp_path / "node"}"
        port = {free_port()}
        sweep_interval_s = 0.05
        [center.alpha]
        ae_titles = ["ALPHA"]
        [center.alpha.return_to]
        ae_title = "PACS"
        host = "127.0.0.1"
        port = {free_port()}
        """,
        encoding="utf-8",
    )
    return path


def _run(settings_file: Path, *arguments: str) -> int:
    return main(["--settings", str(settings_file), *arguments])


def test_status_and_incidents_are_tables(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(settings_file, "status") == 0
    assert "no study has been received yet" in capsys.readouterr().out
    assert _run(settings_file, "incidents") == 0
    assert capsys.readouterr().out == "no incidents\n"
    bench = Bench(settings_file.parent / "node")
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    bench.registry.incidents.record("low-disk", "the disk is full", None, "archive")
    bench.close()
    _run(settings_file, "status")
    head, study, _, outbox = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["STUDY", "PATIENT", "CENTRE"]
    assert study.split()[2:5] == ["alpha", "queued", "5"]
    assert outbox == "outbox: 1 waiting, 0 claimed, 0 held, 0 done"
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
    assert capsys.readouterr().out == f"1 studies written to {out}, 0 not\n"
    assert len(list(out.glob("alpha/*/*/*.dcm"))) == 5
    assert _run(settings_file, "export", str(bench.folder / "archive")) == 2
    assert "the node's own folder" in capsys.readouterr().err
    bench.close()


def test_a_folder_that_is_in_use_is_told(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(settings_file.parent / "node")
    assert _run(settings_file, "reindex") == 1
    assert "another node has the folder" in capsys.readouterr().err
    bench.close()


@pytest.mark.parametrize(
    ("arguments", "text", "sentence"),
    [
        (["serve"], "[node]\nprot = 1", "node.prot"),
        (["serve"], "", "name no centre"),
        (
            ["echo", "beta"],
            None,
            "centre beta has no return AE in the settings: expected one of alpha",
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


def test_stow_rs_is_served_on_its_port_to_who_has_a_token(settings_file: Path) -> None:
    settings = NodeSettings.load(settings_file)
    settings = settings.model_copy(
        update={"node": settings.node.model_copy(update={"stow_port": free_port()})}
    )
    nobody = Node(settings, KEY)
    with pytest.raises(ValueError, match="no centre could use it"):
        nobody.start()
    nobody.stop()
    node = Node(settings, KEY, tokens={"alpha": "a token that is long enough"})
    node.start()
    try:
        assert node.stow_address is not None
        with pytest.raises(HTTPError) as refused:
            urlopen(node.stow_address, b"", timeout=10)
        refused.value.close()
        assert refused.value.code == 401
        assert node.problem() is None
        assert 'annulus_node_web_requests_total{center="",status="401"} 1' in node.metrics()
    finally:
        node.stop()


def _ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_orchestrators_and_prometheus_are_answered(settings_file: Path) -> None:
    port = free_port()
    settings = NodeSettings.load(settings_file)
    settings = settings.model_copy(
        update={"node": settings.node.model_copy(update={"operations_port": port})}
    )
    node = Node(settings, KEY)
    node.start()
    try:
        take(node.intake, "alpha", request(ct_slice(0)))
        with pytest.raises(UnreadableDatasetError):
            take(node.intake, "alpha", replace(request(ct_slice(1)), sop_instance_uid="../x"))
        assert _ask(port, "/live") == (200, "alive\n")
        assert _ask(port, "/ready") == (200, "ready\n")
        assert _ask(port, "/etc/passwd")[0] == 404
        status, metrics = _ask(port, "/metrics")
        assert status == 200
        lines = metrics.splitlines()
        assert 'annulus_node_instances_total{answer="stored",center="alpha"} 1.0' in lines
        assert 'annulus_node_instances_total{answer="0xC000",center="alpha"} 1.0' in lines
        assert 'annulus_node_studies{center="alpha",state="receiving"} 1.0' in lines
        assert 'annulus_node_incidents{kind="unreadable-dataset"} 1.0' in lines
        node._archive._minimum_free_bytes = 2**62
        status, why = _ask(port, "/ready")
        assert (status, "nothing more is accepted until space is made" in why) == (503, True)
    finally:
        node.stop()


def test_a_json_log_is_one_object_a_line_and_carries_the_audit_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        record(
            AuditEvent.ASSOCIATION_OPENED,
            center="alpha",
            calling="ALPHA",
            address="192.0.2.1",
            kind=None,
        )
    line = json.loads(JsonFormatter().format(caplog.records[-1]))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "dicom_node.audit",
        "message": "association-opened center=alpha calling=ALPHA address=192.0.2.1",
        "event": "association-opened",
        "center": "alpha",
        "calling": "ALPHA",
        "address": "192.0.2.1",
    }


def test_a_node_settles_what_it_has_received_and_lets_go_of_its_folder(settings_file: Path) -> None:
    for _ in range(2):
        node = Node(NodeSettings.load(settings_file), KEY)
        node.start()
        assert node.port == NodeSettings.load(settings_file).node.port
        take(node.intake, "alpha", request(ct_slice(0)))
        node.stop()
        assert not node.failed.is_set()
