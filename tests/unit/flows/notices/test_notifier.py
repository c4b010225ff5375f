"""The notifier: everybody hears of each cause once, though it is killed at any moment and sinks are
out of order for a while.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.local.processes import free_port
from dicom_node.registry.registry import Registry
from flows.installation import Installation
from flows.notices.causes import Causes, Found
from flows.notices.notifier import Notifier
from flows.settings import Settings
from flows.settings.notify import WEBHOOK_URL
from tests.support.intake_bench import Bench
from tests.support.notice_sinks import MailSink, WebhookSink, mail_sink, webhook_sink
from tests.support.notifying import start_notifier
from tests.support.waiting import wait_until

STUDIES = 16
KILLS = 8
MAILBOXES = ("a@hospital.example", "b@hospital.example")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


@pytest.fixture
def hook() -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        yield sink


def _settings(bench: Bench, mail_port: int, kinds: str = "") -> Path:
    file = bench.folder.parent / "annulus.toml"
    file.write_text(
        f"[node]\nfolder = '{bench.folder}'\nminimum_free_bytes = 0\n"
        f"[prefect]\napi_url = 'http://127.0.0.1:{free_port()}/api'\nlease_s = 0.6\n"
        "first_retry_s = 0.1\nlongest_retry_s = 0.4\n"
        f"[notify]\nto = ['mail', 'webhook']\nlook_every_s = 0.1\n{kinds}\n"
        f"[notify.mail]\nhost = '127.0.0.1'\nport = {mail_port}\nsecurity = 'none'\n"
        f"sender = 'annulus@hospital.example'\nto = {list(MAILBOXES)}\n"
    )
    return file


def _waits(registry: Registry) -> dict[str, int]:
    return {
        one.sink: one.count for one in registry.notice_sendings.untold() if one.sink != "prefect"
    }


def _told_in(mails: list[EmailMessage], mailbox: str) -> dict[str, str]:
    """Return what the mails to a mailbox say, by their Message-ID."""
    mine = [one for one in mails if one["To"] == mailbox]
    return {str(one["Message-ID"]): one.get_content() for one in mine}


def test_a_fault_in_looking_is_an_incident_and_the_next_look_is_taken(
    bench: Bench, mail: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Installation(Settings.load(_settings(bench, mail.port)))
    notifier, stop = Notifier(work, {}), threading.Event()
    found = iter([KeyError("a value"), None])

    def now(*_: object) -> Found:
        if (error := next(found)) is not None:
            raise error
        stop.set()
        return Found((), frozenset())

    monkeypatch.setattr(Causes, "now", now)
    notifier.run(stop)
    (incident,) = work.registry.incidents.latest()
    assert incident.sentence.startswith("What people must hear of cannot be looked for (KeyError")
    assert "a value" not in incident.sentence
    work.registry.close()


@pytest.mark.slow
def test_each_cause_is_told_once_however_often_the_notifier_is_killed(
    bench: Bench, mail: MailSink, hook: WebhookSink
) -> None:
    settings = _settings(bench, mail.port)
    secrets = {WEBHOOK_URL: hook.url}
    chance = random.Random(5)
    mail.slow_s = hook.slow_s = 0.03
    keys: list[str] = []
    for kill in range(KILLS):
        some = STUDIES // KILLS
        keys += [bench.quarantined(kill * some + number + 1) for number in range(some)]
        mail.refuses = "451 try later" if kill % 4 == 1 else None
        hook.status = 503 if kill % 4 == 2 else 200
        process = start_notifier(settings, secrets)
        time.sleep(chance.uniform(0.1, 0.7))
        process.kill()
        process.join()
    mail.refuses, hook.status = None, 200
    process = start_notifier(settings, secrets)
    registry = bench.registry
    wait_until(
        lambda: registry.notices.open()[1] == STUDIES and not _waits(registry),
        60,
        "everybody has been told",
        evidence=lambda: str(registry.notice_sendings.untold()),
    )
    process.kill()
    process.join()

    by_key = {body["id"]: body["subject"] for body in hook.bodies}
    assert sorted(by_key.values()) == sorted(keys)
    assert hook.keys().keys() == by_key.keys()
    for mailbox in MAILBOXES:
        letters = _told_in(mail.mails, mailbox)
        for key in keys:
            assert sum(key in letter for letter in letters.values()) == 1
    seen: set[str] = set()
    for body in hook.bodies:
        assert body["may_be_known"] or body["id"] not in seen
        seen.add(body["id"])
    for one in mail.mails:
        known = "may be a repetition" in one.get_content()
        assert known or str(one["Message-ID"]) not in seen
        seen.add(str(one["Message-ID"]))
    repeated = len(hook.bodies) - len(by_key) + len(mail.mails) - len(mail.ids())
    assert repeated <= 3 * KILLS  # at most what each sink was being told


def test_a_kind_that_is_not_chosen_is_told_to_prefect_alone_and_nothing_is_lost_meanwhile(
    bench: Bench, mail: MailSink, hook: WebhookSink
) -> None:
    file = _settings(bench, mail.port, "kinds = ['held']")
    work = Installation(Settings.load(file))
    notifier = Notifier(work, {WEBHOOK_URL: hook.url}, bench.clock)
    key = bench.quarantined(1)
    assert notifier.look() == 1
    assert notifier.look() == 0
    assert [one.sink for one in work.registry.notice_sendings.untold()] == ["prefect"]
    assert notifier.tell_next(("prefect",))
    (waits,) = work.registry.notice_sendings.untold()
    assert waits.sentence == "The Prefect server does not answer."
    assert not notifier.tell_next(("webhook",))
    bench.registry.outbox.requeue(key)
    assert notifier.look() == 0
    assert work.registry.notices.open() == ([], 0)
    assert [one.count for one in work.registry.notice_sendings.untold()] == [1]
    work.registry.close()


def test_a_fault_of_ours_is_the_verdict_of_its_message_and_stops_no_other(
    bench: Bench, mail: MailSink, hook: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Installation(Settings.load(_settings(bench, mail.port)))
    notifier = Notifier(work, {WEBHOOK_URL: hook.url})

    def fails(*_: object) -> None:
        raise KeyError("a value")

    bench.quarantined(1)
    notifier.look()
    with monkeypatch.context() as patch:
        patch.setattr("flows.notices.notifier.send", fails)
        assert notifier.tell_next(("webhook",))
    sentence = {one.sink: one.sentence for one in work.registry.notice_sendings.untold()}["webhook"]
    assert sentence is not None
    assert sentence.startswith("It cannot be told (KeyError at test_notifier.py:")
    assert "a value" not in sentence
    time.sleep(0.2)
    assert notifier.tell_next(("webhook",))
    assert [body["may_be_known"] for body in hook.bodies] == [True]
    work.registry.close()
