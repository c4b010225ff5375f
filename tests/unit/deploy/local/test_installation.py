"""One installation on this machine: its environment, its addresses and the parts that it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.installation import open_installation


def test_a_password_for_the_server_is_the_clients_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "annulus.toml").write_text("[system]\nhost = '0.0.0.0'\nprefect_port = 4711\n")
    (tmp_path / "annulus.env").write_text("PREFECT_SERVER_API_AUTH_STRING=admin:secret\n")
    work = open_installation(tmp_path / "annulus.toml")
    environment = work.environment()
    assert environment["PREFECT_API_AUTH_STRING"] == "admin:secret"
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4711/api"
    assert environment["DO_NOT_TRACK"] == "1"
    assert work.has_own_prefect
    everywhere = "0.0.0.0"  # noqa: S104 - nothing is bound to it here
    reports = str(work.settings.reports_folder().absolute())
    assert [(part.name, *part.command[2:]) for part in work.parts()] == [
        ("node", "dicom_node"),
        ("prefect", "prefect", "server", "start", "--host", everywhere, "--port", "4711"),
        ("dispatcher", "flows", "dispatch"),
        ("deployments", "flows", "serve"),
        ("reports", "http.server", "4280", "--bind", everywhere, "--directory", reports),
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
