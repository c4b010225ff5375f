"""A shell's Prefect variables do not move an installation, and nobody waits for a server that is
not there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.own_server import api_url, prefect_environment
from flows.settings import Settings
from tests.support import ROOT

SHELL = {
    "PREFECT_API_URL": "http://other.example/api",
    "PREFECT_HOME": "/elsewhere",
    "PREFECT_PROFILE": "other",
    "PREFECT_PROFILES_PATH": "/elsewhere/profiles.toml",
    "PREFECT_SERVER_API_AUTH_STRING": "admin:secret",
}


def _settings(folder: Path, text: str = "") -> Path:
    file = folder / "annulus.toml"
    file.write_text(f"[node]\nfolder = '{folder / 'node'}'\n[system]\nprefect_port = 9\n{text}")
    return file


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:9/api"),
        ("host = '0.0.0.0'\n", "http://127.0.0.1:9/api"),
        ("host = '::1'\n", "http://[::1]:9/api"),
        ("[prefect]\napi_url = 'http://prefect:4200/api'\n", "http://prefect:4200/api"),
    ],
)
def test_the_settings_say_which_server(tmp_path: Path, text: str, url: str) -> None:
    settings = Settings.load(_settings(tmp_path, text))
    assert api_url(settings) == url
    found = prefect_environment(settings, SHELL)
    assert found["PREFECT_API_URL"] == url
    assert found["PREFECT_HOME"] == str(tmp_path / "node" / "system" / "prefect")
    assert found["PREFECT_API_AUTH_STRING"] == "admin:secret"
    assert not {"PREFECT_PROFILE", "PREFECT_PROFILES_PATH"} & set(found)


@pytest.mark.slow
@pytest.mark.parametrize("command", [("overview",), ("prefect", "deployment", "ls")])
def test_no_server_is_a_sentence_within_seconds_and_never_a_temporary_server(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "flows", "--settings", str(_settings(tmp_path)), *command],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PREFECT_API_URL": "http://other.example/api"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    address, sentence = done.stderr.splitlines()
    assert address.startswith("PREFECT_API_URL of this shell is not used: the settings say")
    assert sentence == (
        "No Prefect server answers at http://127.0.0.1:9: make up starts it, make status says what "
        "runs."
    )
    assert time.monotonic() - began < 60  # on a busy machine; Prefect alone takes seconds
    assert not (tmp_path / "node").exists()
