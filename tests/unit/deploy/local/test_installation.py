"""One installation on this machine: its environment, its addresses and the parts that it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.installation import open_installation
from dicom_node.settings import SETTINGS_VARIABLE, SettingsError

KEPT = ("--keep-days", "90")


def test_a_password_for_the_server_is_the_clients_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    # What a shell of another installation may have left
    monkeypatch.setenv("PREFECT_API_URL", "http://shell.example/api")
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    monkeypatch.setenv("PREFECT_PROFILE", "other")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[system]\nhost = '0.0.0.0'\nprefect_port = 4711\n"
    )
    secrets = tmp_path / "annulus.env"
    secrets.write_text("PREFECT_SERVER_API_AUTH_STRING=admin:secret\n")
    secrets.chmod(0o600)
    work = open_installation(tmp_path / "annulus.toml")
    environment = work.environment()
    assert environment["PREFECT_API_AUTH_STRING"] == "admin:secret"
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4711/api"
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["PREFECT_HOME"] == str(work.settings.node.folder / "system" / "prefect")
    assert "PREFECT_PROFILE" not in environment
    assert work.has_own_prefect
    everywhere = "0.0.0.0"  # noqa: S104 - nothing is bound to it here
    assert [(part.name, *part.command[2:]) for part in work.parts()] == [
        ("node", "dicom_node"),
        ("prefect", "flows", "prefect-server", "--host", everywhere, "--port", "4711", *KEPT),
        ("dispatcher", "flows", "dispatch"),
        ("deployments", "flows", "serve"),
        ("portal", "flows", "portal", "--host", everywhere, "--port", "4280"),
    ]


def test_another_prefect_server_is_not_started_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://shell.example/api")
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n"
        "[validation]\nreports_url = 'http://reports.example/'\n"
        "[prefect]\napi_url = 'http://prefect.example/api'\n"
    )
    work = open_installation(tmp_path / "annulus.toml")
    assert [part.name for part in work.parts()] == ["node", "dispatcher", "deployments", "portal"]
    assert work.prefect_url == "http://prefect.example"
    assert set(work.ports()) == {"node.port", "system.portal_port"}
    assert work.environment()["ANNULUS_VALIDATION__REPORTS_URL"] == "http://reports.example/"


def test_what_runs_keeps_the_settings_that_it_was_started_with(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text(f"[node]\nfolder = '{tmp_path / 'node'}'\n")
    work = open_installation(file)
    kept = work.running_environment()[SETTINGS_VARIABLE]
    assert kept == str(tmp_path / "node" / "system" / "settings.toml")
    Path(kept).parent.mkdir(parents=True)
    Path(kept).write_text(file.read_text() + "port = 4711\n")
    file.write_text("[node\n")
    assert open_installation(file, Path(kept)).settings.node.port == 4711
    with pytest.raises(SettingsError, match="line 1"):
        open_installation(file)
