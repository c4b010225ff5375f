"""A system is found by its settings file, whatever has become of the file."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.local.processes import free_port
from deploy.local.running import running_folder
from tests.support import ROOT
from tests.support.waiting import wait_until


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The settings of a system whose parts wait for a server that is nowhere."""
    (tmp_path / "a folder").mkdir()
    file = tmp_path / "a folder" / "annulus.toml"
    file.write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\nport = {free_port()}\n"
        "[prefect]\napi_url = 'http://127.0.0.1:9/api'\n"
        f"[system]\nportal_port = {free_port()}\n"
        "[center.B]\nae_titles = ['B']\n"
    )
    return file


@pytest.fixture
def supervisor(settings: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "deploy", "supervise", "--settings", str(settings)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        yield process
        process.send_signal(signal.SIGTERM)
        # A second signal may find it on its way out.
        assert process.wait(200) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_a_system_is_found_and_stopped_though_its_settings_cannot_be_read(
    settings: Path, supervisor: subprocess.Popen[bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    wait_until(lambda: running_folder(settings) is not None, 200, "the supervisor has its lock")
    folder = running_folder(settings)
    assert folder is not None
    assert folder.supervisor_pid() == supervisor.pid
    wait_until(folder.settings.exists, 200, "its settings are kept")
    kept = folder.settings.read_text()
    settings.write_text("[node]\nfolder = '/elsewhere'\nport = 0\n")
    assert folder.settings.read_text() == kept

    assert main(["status", "--settings", str(settings)]) == 1
    said = capfd.readouterr().out
    assert "line 3, node.port: 0 is not a TCP port" in said
    assert main(["down", "--settings", str(settings)]) == 0
    assert "Everything is stopped." in capfd.readouterr().out
    assert running_folder(settings) is None
    assert not folder.settings.exists()


def test_status_and_down_of_what_never_ran_create_nothing(
    settings: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = set(settings.parent.parent.rglob("*"))
    assert main(["status", "--settings", str(settings)]) == 1
    assert main(["down", "--settings", str(settings)]) == 0
    settings.write_text("[node\n")
    assert main(["status", "--settings", str(settings)]) == 1
    assert main(["down", "--settings", str(settings)]) == 0
    assert set(settings.parent.parent.rglob("*")) == before
    said = capfd.readouterr()
    assert said.out.count("The system is not up.") == 2
    assert "Nothing runs: make up starts it." in said.out
    assert "is not TOML: line 1" in said.err
