"""Each sink takes a message, or says in a sentence without a secret why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from deploy.local.processes import free_port
from dicom_node.registry.registry import Cause, Message, Notice
from flows.notices.message import NotTakenError
from flows.notices.sinks import most_in, send
from flows.settings import Settings
from flows.settings.notify import MAIL_PASSWORD, SLACK_URL, TEAMS_URL, WEBHOOK_TOKEN, WEBHOOK_URL
from tests.support.notice_sinks import WebhookSink, mail_sink, webhook_sink

NOTICE = Notice(
    1,
    Cause(
        "quarantined",
        "B",
        "k" * 16,
        "",
        'Study k of centre B: {{x}} is "odd".',
        "studies/k",
        datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
    ),
    None,
)
SECRET = "sEcReT0123"  # noqa: S105 - made up
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/0ab1/triggers/manual/paths/invoke"
    f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SECRET}"
)
SLACK = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}"


def _message(sink: str, **more: Any) -> Message:
    return Message("ab12", sink, (NOTICE,), 1, more.get("may_be_known", False))


def _settings(*to: str, mail_port: int | None = None, **more: object) -> Settings:
    notify: dict[str, object] = {"to": to}
    if mail_port is not None:
        notify["mail"] = {
            "host": "127.0.0.1",
            "port": mail_port,
            "security": "none",
            "sender": "annulus@hospital.example",
            "to": ["physics@hospital.example"],
            **more,
        }
    portal = {"url": "https://annulus.example"}
    return Settings.model_validate({"notify": notify, "portal": portal})


@pytest.fixture
def hook() -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        yield sink


@pytest.fixture
def led_to_hook(hook: WebhookSink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lead what is asked of hosts outside to the webhook of this machine; what was asked for."""
    asked: list[str] = []
    ask: Callable[..., requests.Response] = requests.Session.request

    def led(self: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        asked.append(f"{url} {more.get('params')}")
        return ask(self, method, hook.url, **more)

    monkeypatch.setattr(requests.Session, "request", led)
    return asked


def test_a_webhook_gets_data_and_a_key_by_which_it_knows_a_repetition(hook: WebhookSink) -> None:
    environment = {WEBHOOK_URL: f"{hook.url}?key={SECRET}", WEBHOOK_TOKEN: "a token"}
    send(_settings("webhook"), environment, _message("webhook"))
    (body,), (headers,) = hook.bodies, hook.headers
    assert headers["idempotency-key"] == body["id"] == "ab12"
    assert headers["authorization"] == "Bearer a token"
    assert body["sentence"] == NOTICE.cause.sentence
    assert (body["subject"], body["center"]) == ("k" * 16, "B")
    assert (body["may_be_known"], body["ended_at"]) == (False, None)
    assert body["link"] == "https://annulus.example/studies/k"
    del environment[WEBHOOK_TOKEN]
    send(_settings("webhook"), environment, _message("webhook"))
    assert "authorization" not in hook.headers[1]


@pytest.mark.parametrize(
    ("status", "may_be_known"), [(500, False), (403, False), (302, False), (504, True)]
)
def test_what_a_webhook_answers_is_told_and_its_address_is_not(
    hook: WebhookSink, status: int, may_be_known: bool
) -> None:
    hook.status = status
    environment = {WEBHOOK_URL: f"{hook.url}/{SECRET}"}
    with pytest.raises(NotTakenError) as refusal:
        send(_settings("webhook"), environment, _message("webhook"))
    assert str(refusal.value) == f"The webhook answered {status}."
    assert refusal.value.may_be_known is may_be_known
    assert refusal.value.__cause__ is None


def test_a_webhook_that_is_not_there_is_told() -> None:
    environment = {WEBHOOK_URL: f"http://127.0.0.1:{free_port()}/{SECRET}"}
    with pytest.raises(NotTakenError) as refusal:
        send(_settings("webhook"), environment, _message("webhook"))
    assert str(refusal.value) == "The webhook cannot be reached (ConnectError)."
    assert not refusal.value.may_be_known


def test_a_mailbox_gets_a_letter() -> None:
    with mail_sink() as sink:
        settings = _settings("mail", mail_port=sink.port)
        send(settings, {}, _message("mail:physics@hospital.example"))
        (mail,) = sink.mails
        assert mail["Subject"] == "Annulus: B: a study is quarantined"
        assert mail["Message-ID"] == "<ab12@hospital.example>"
        assert "https://annulus.example/studies/k" in mail.get_content()
        sink.refuses = "554 no\x07 such thing"
        with pytest.raises(NotTakenError, match=r"^The mail server answered 554 no  such thing\.$"):
            send(settings, {}, _message("mail:physics@hospital.example"))
    with pytest.raises(NotTakenError, match=r"^The mail server cannot be reached"):
        send(settings, {}, _message("mail:physics@hospital.example"))
    asks = _settings("mail", mail_port=sink.port, user="annulus")
    with pytest.raises(NotTakenError, match=MAIL_PASSWORD):
        send(asks, {}, _message("mail:physics@hospital.example"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("sink", "variable", "url"), [("teams", TEAMS_URL, TEAMS), ("slack", SLACK_URL, SLACK)]
)
def test_teams_and_slack_get_a_letter_by_prefects_own_blocks(
    hook: WebhookSink, led_to_hook: list[str], sink: str, variable: str, url: str
) -> None:
    send(_settings(sink), {variable: url}, _message(sink))
    (body,), (asked,) = hook.bodies, led_to_hook
    assert asked.startswith(url.partition(f"{SECRET}")[0].partition("?")[0])
    assert SECRET in asked
    for words in ("a study is quarantined", "https://annulus.example/studies/k", "ab12"):
        assert words in str(body).replace("\\\\", ""), words
    hook.status = 403
    with pytest.raises(NotTakenError) as refusal:
        send(_settings(sink), {variable: url}, _message(sink))
    assert str(refusal.value) == f"{sink.capitalize()} answered 403."
    assert not refusal.value.may_be_known


def test_a_secret_that_is_not_there_is_told_at_each_try() -> None:
    for sink in ("teams", "slack", "webhook"):
        with pytest.raises(NotTakenError, match=f"ANNULUS_NOTIFY_{sink.upper()}_URL"):
            send(_settings(sink), {}, _message(sink))


def test_people_get_many_notices_at_once_and_programs_one() -> None:
    sinks = ("prefect", "webhook", "teams", "slack", "mail:a@b.example")
    assert [most_in(sink) > 1 for sink in sinks] == [False, False, True, True, True]
