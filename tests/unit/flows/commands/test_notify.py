"""The command that lists notices, and tells everybody that it is a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.processes import free_port
from flows.__main__ import main
from flows.installation import installation
from tests.support.intake_bench import Bench
from tests.support.notice_sinks import mail_sink, webhook_sink


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    installation.cache_clear()
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()
    installation.cache_clear()


def _settings(bench: Bench, notify: str = "") -> Path:
    file = bench.folder.parent / "annulus.toml"
    api_url = f"http://127.0.0.1:{free_port()}/api"
    text = f"[node]\nfolder = '{bench.folder}'\n[prefect]\napi_url = '{api_url}'\n{notify}"
    file.write_text(text)
    return file


def test_what_is_open_and_who_waits_is_listed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = str(_settings(bench))
    assert main(["--settings", settings, "notify"]) == 0
    assert capsys.readouterr().out == "Nothing is open.\n"
    key = bench.quarantined()
    work = installation()
    from flows.notices.notifier import Notifier

    Notifier(work).look()
    assert main(["--settings", settings, "notify"]) == 0
    said = capsys.readouterr().out
    assert f"alpha: a study is quarantined. Study {key} of centre alpha is quarantined" in said
    assert f"/studies/{key}\n" in said
    assert "prefect: 1 not told yet." in said
    work.registry.close()


def test_a_test_tells_everybody_and_says_what_became_of_it(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with mail_sink() as mail, webhook_sink() as hook:
        settings = _settings(
            bench,
            f"[notify]\nto = ['mail', 'webhook']\n[notify.mail]\nhost = '127.0.0.1'\n"
            f"port = {mail.port}\nsecurity = 'none'\nsender = 'annulus@hospital.example'\n"
            "to = ['a@hospital.example']\n",
        )
        secrets = tmp_path / "annulus.env"
        secrets.write_text(f"ANNULUS_NOTIFY_WEBHOOK_URL={hook.url}\n")
        secrets.chmod(0o600)
        assert main(["--settings", str(settings), "notify", "--test"]) == 1  # no Prefect server
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "prefect: not told. The Prefect server does not answer."
        assert said[1].startswith("mail:a@hospital.example: told, message ")
        assert said[2].startswith("webhook: told, message ")
        assert [one["kind"] for one in hook.bodies] == ["test"]
        assert mail.mails[0]["Subject"] == "Annulus: a test of the way to you"
    settings.write_text(settings.read_text().partition("[notify]")[0])
    assert main(["--settings", str(settings), "notify", "--test"]) == 1
    assert "[notify] names nobody else: deploy/guide/notices.md" in capsys.readouterr().out
