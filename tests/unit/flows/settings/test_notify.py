"""Who is told, by which names, and which secrets that takes."""

from __future__ import annotations

import pytest

from flows.settings.notify import (
    MAIL_PASSWORD,
    SLACK_URL,
    TEAMS_URL,
    WEBHOOK_URL,
    MailTable,
    NotifyTable,
    SinkKind,
    secret_faults,
)

MAIL = MailTable(
    host="smtp.example",
    user="annulus",
    sender="annulus@hospital.example",
    to=("a@hospital.example", "o'b+c@d-e.example"),
)
EVERY = NotifyTable(to=tuple(SinkKind), mail=MAIL)
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/0ab1/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=secret"
)
SOUND = {
    MAIL_PASSWORD: "secret",
    TEAMS_URL: TEAMS,
    SLACK_URL: "https://hooks.slack.com/services/T000/B000/secret",
    WEBHOOK_URL: "https://alarms.example/hook?key=secret",
}


def test_each_mailbox_is_a_sink_of_its_own() -> None:
    assert EVERY.sinks() == (
        "mail:a@hospital.example",
        "mail:o'b+c@d-e.example",
        "teams",
        "slack",
        "webhook",
    )
    assert NotifyTable().sinks() == ()


def test_every_secret_is_asked_for_and_none_is_shown() -> None:
    assert secret_faults(EVERY, SOUND) == []
    assert secret_faults(NotifyTable(), {}) == []
    lacking = secret_faults(EVERY, {})
    assert len(lacking) == 4
    for sentence, variable in zip(
        lacking, (TEAMS_URL, SLACK_URL, WEBHOOK_URL, MAIL_PASSWORD), strict=True
    ):
        assert variable in sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (TEAMS_URL, "https://hospital.webhook.office.com/webhookb2/secret"),
        (SLACK_URL, "https://hooks.slack.example/services/T0/B0/secret"),
        (WEBHOOK_URL, "alarms.example/secret"),
        (WEBHOOK_URL, "https:///secret"),
        (WEBHOOK_URL, "https://[secret"),
    ],
)
def test_an_address_of_another_kind_is_refused(variable: str, value: str) -> None:
    (sentence,) = secret_faults(EVERY, {**SOUND, variable: value})
    assert sentence.startswith(f"{variable} is not what ")
    assert "secret" not in sentence
