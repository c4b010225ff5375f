"""The files that the first start makes, and how secrets are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.first_use import EXAMPLE, ensure_secrets, ensure_settings, read_secrets
from deploy.local.parts import open_installation
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SettingsError


def test_settings_are_copied_once(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    assert ensure_settings(file)
    assert file.read_text() == EXAMPLE.read_text()
    file.write_text("[node]\n")
    assert not ensure_settings(file)
    assert file.read_text() == "[node]\n"


def test_a_key_is_made_once_and_is_the_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "annulus.env"
    assert ensure_secrets(file, {})
    key = read_secrets(file)[PSEUDONYM_KEY_VARIABLE]
    assert len(key) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    assert not ensure_secrets(file, {})
    assert read_secrets(file)[PSEUDONYM_KEY_VARIABLE] == key


def test_no_key_is_made_where_the_environment_has_one(tmp_path: Path) -> None:
    assert not ensure_secrets(tmp_path / "annulus.env", {PSEUDONYM_KEY_VARIABLE: "k" * 32})
    assert read_secrets(tmp_path / "annulus.env") == {}


def test_a_line_that_is_no_assignment_is_named(tmp_path: Path) -> None:
    file = tmp_path / "annulus.env"
    file.write_text("# comment\n\nA = 1\nexport B=2\n")
    with pytest.raises(SettingsError, match=r"line 4 of .* expected NAME=value"):
        read_secrets(file)


def test_a_password_for_the_server_is_the_clients_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "annulus.toml").write_text("[system]\nhost = '0.0.0.0'\nprefect_port = 4711\n")
    (tmp_path / "annulus.env").write_text("PREFECT_SERVER_API_AUTH_STRING=admin:secret\n")
    work = open_installation(tmp_path / "annulus.toml")
    environment = work.environment()
    assert environment["PREFECT_API_AUTH_STRING"] == "admin:secret"
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4711/api"
    assert environment["DO_NOT_TRACK"] == "1"
    assert work.has_own_prefect
    assert [part.name for part in work.parts()] == [
        "node",
        "prefect",
        "dispatcher",
        "deployments",
        "reports",
    ]


def test_another_prefect_server_is_not_started_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    (tmp_path / "annulus.toml").write_text(
        "[validation]\nreports_url = 'http://reports.example/'\n"
    )
    work = open_installation(tmp_path / "annulus.toml")
    assert [part.name for part in work.parts()] == ["node", "dispatcher", "deployments"]
    assert work.prefect_url == "http://prefect.example"
    assert set(work.ports()) == {"node.port"}
