"""What `make up` refuses before it starts anything, and what `make status` says of notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.local.processes import free_port
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE
from tests.support.intake_bench import KEY, Bench


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, KEY.decode())
    file = tmp_path / "annulus.toml"
    ports = "\n".join(f"{name} = {free_port()}" for name in ("prefect_port", "portal_port"))
    file.write_text(f"[node]\nfolder = '{tmp_path / 'node'}'\n[system]\n{ports}\n")
    return file


def test_up_refuses_what_nobody_could_be_told_by(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text(settings.read_text() + "[notify]\nto = ['slack', 'teams']\n")
    secrets = settings.with_name("annulus.env")
    secrets.write_text("ANNULUS_NOTIFY_TEAMS_URL=https://old.example/secret\n")
    secrets.chmod(0o600)
    assert main(["up", "--settings", str(settings)]) == 2
    refusal = capsys.readouterr().err
    assert "ANNULUS_NOTIFY_TEAMS_URL is not what teams needs" in refusal
    assert "notify.to names slack, which needs ANNULUS_NOTIFY_SLACK_URL" in refusal
    assert "secret" not in refusal
    assert not (settings.parent / "node" / "system" / "annulus.log").exists()


def test_status_counts_notices_and_who_waits(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(settings.parent / "node")
    bench.quarantined()
    from flows.installation import Installation
    from flows.notices.notifier import Notifier
    from flows.settings import Settings

    work = Installation(Settings.load(settings))
    Notifier(work).look()
    work.registry.close()
    bench.close()
    assert main(["status", "--settings", str(settings)]) == 1
    said = capsys.readouterr().out
    notices = "1 open; 1 not told to prefect yet; only Prefect is told: [notify] names nobody"
    assert f"notices: {notices}\n" in said
