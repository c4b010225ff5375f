"""The sinks: Prefect's notification blocks for Teams, Slack and webhooks, one of our own for mail,
and Prefect's events; each takes a message or says in a sentence why not.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from typing import Final

import httpx
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.notifications import (
    AppriseNotificationBlock,
    CustomWebhookNotificationBlock,
    MicrosoftTeamsWebhook,
    SlackWebhook,
)
from prefect.types import SecretDict
from pydantic import SecretStr

from dicom_node.registry.registry import Message
from flows.notices.events import PREFECT, emit
from flows.notices.mail import MailServer
from flows.notices.message import NotTakenError, as_data, letter
from flows.own_server import answers, api_url
from flows.settings import Settings
from flows.settings.notify import (
    MAIL_PASSWORD,
    SLACK_URL,
    TEAMS_URL,
    WEBHOOK_TOKEN,
    WEBHOOK_URL,
    SinkKind,
    secret_faults,
)

A_LETTER: Final = 200
"""So many notices at most are one message to people; programs get each by itself."""
_MAIL: Final = f"{SinkKind.MAIL}:"
_WITHIN_S = 10.0
_STATUS = re.compile(r"error=(\d{3})")
_OF_A_PROXY: Final = frozenset({502, 504})
"""Answers of somebody between, who does not know what became of the request."""


def most_in(sink: str) -> int:
    """Return how many notices a message to a sink may hold."""
    return 1 if sink in {PREFECT, SinkKind.WEBHOOK} else A_LETTER


def send(settings: Settings, environment: Mapping[str, str], message: Message) -> None:
    """Tell a sink.

    Parameters
    ----------
    settings : Settings
        The installation's.
    environment : mapping of str to str
        With its secrets.
    message : Message
        What is to be told, and to which sink.

    Raises
    ------
    NotTakenError
        If it was not taken, or that is not known.
    """
    if message.sink == PREFECT:
        if not answers(api_url(settings)):
            raise NotTakenError("The Prefect server does not answer.")
        data = as_data(message, settings.portal_url())
        _or_not_taken("the Prefect server", lambda: emit(message, data))
        return
    kind = SinkKind(message.sink.partition(":")[0])
    if faults := _faults_of(kind, settings, environment):
        raise NotTakenError(". ".join(faults))
    said = letter(message, settings.portal_url())
    block = _block(kind, settings, environment, message)
    with block.raise_on_failure():
        _or_not_taken(_whom(kind), lambda: _notify(block, said.body, said.subject))


def _notify(block: NotificationBlock, body: str, subject: str) -> None:
    block.notify(body, subject)  # type: ignore[unused-coroutine]


def _block(
    kind: SinkKind, settings: Settings, environment: Mapping[str, str], message: Message
) -> NotificationBlock:
    match kind:
        case SinkKind.MAIL:
            return _mail(settings, environment, message)
        case SinkKind.TEAMS:
            return _of_apprise(MicrosoftTeamsWebhook, environment[TEAMS_URL])
        case SinkKind.SLACK:
            return _of_apprise(SlackWebhook, environment[SLACK_URL])
        case SinkKind.WEBHOOK:
            return _webhook(settings, environment, message)


def _of_apprise(
    block: type[MicrosoftTeamsWebhook | SlackWebhook], url: str
) -> AppriseNotificationBlock:
    return block(url=SecretStr(url), notify_type="warning")


def _mail(settings: Settings, environment: Mapping[str, str], message: Message) -> MailServer:
    mail = settings.notify.mail
    if mail is None:
        raise NotTakenError("[notify.mail] is not there any more.")
    password = environment.get(MAIL_PASSWORD)
    return MailServer(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        user=mail.user,
        password=None if password is None else SecretStr(password),
        sender=mail.sender,
        recipient=message.sink.removeprefix(_MAIL),
        message_id=f"<{message.id}@{mail.sender.partition('@')[2]}>",
    )


def _webhook(
    settings: Settings, environment: Mapping[str, str], message: Message
) -> CustomWebhookNotificationBlock:
    headers = {"Idempotency-Key": message.id}
    secrets = {}
    if token := environment.get(WEBHOOK_TOKEN):
        headers["Authorization"] = "Bearer {{token}}"
        secrets["token"] = token
    # What stands in the block itself is a template, in which braces would name a value
    data = {f"data_{name}": one for name, one in as_data(message, settings.portal_url()).items()}
    return CustomWebhookNotificationBlock(
        name="annulus",
        url=environment[WEBHOOK_URL],
        json_data={name.removeprefix("data_"): f"{{{{{name}}}}}" for name in data},
        headers=headers,
        cookies=None,
        timeout=_WITHIN_S,
        secrets=SecretDict({**secrets, **data}),
    )


def _or_not_taken(whom: str, act: Callable[[], None]) -> None:
    """Do it, and say in a sentence without a secret why it was not done."""
    try:
        act()
    except NotTakenError:
        raise
    except Exception as error:
        why = _why(whom, error)
        if why is None:
            raise
        # Not from it: the address of a webhook, which is a secret, stands in the error
        raise NotTakenError(why, may_be_known=_may_be_known(error)) from None


def _why(whom: str, error: Exception) -> str | None:
    """Return in words why a sink did not take something; `None` where the error is another."""
    words: str | None = None
    match error:
        case httpx.HTTPStatusError():
            words = f"answered {error.response.status_code}"
        case NotificationError():
            status = _STATUS.search(error.log)
            words = f"answered {status[1]}" if status else "did not take it"
        case smtplib.SMTPResponseException():
            words = f"answered {error.smtp_code} {_printed(error.smtp_error)}"
        case smtplib.SMTPRecipientsRefused():
            ((code, said), *_) = error.recipients.values()
            words = f"refuses the recipient: {code} {_printed(said)}"
        case smtplib.SMTPServerDisconnected():
            words = "ended the connection"
        case smtplib.SMTPException():
            words = f"cannot do what [notify.mail] asks for: {error}"
        case ssl.SSLError():
            words = f"has no certificate that this machine trusts, or no TLS ({error.reason})"
        case httpx.HTTPError() | httpx.InvalidURL() | OSError():
            words = f"cannot be reached ({type(error).__name__})"
    return None if words is None else f"{whom} {words}."


def _may_be_known(error: Exception) -> bool:
    """Say whether a sink may have taken what it did not answer."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _OF_A_PROXY
    if isinstance(error, NotificationError):
        return not _STATUS.search(error.log)
    not_asked = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, ConnectionRefusedError)
    no_answer = (httpx.TransportError, smtplib.SMTPServerDisconnected, TimeoutError)
    return isinstance(error, no_answer) and not isinstance(error, not_asked)


def _printed(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return "".join(one if one.isprintable() else " " for one in text)[:200]


def _faults_of(kind: SinkKind, settings: Settings, environment: Mapping[str, str]) -> list[str]:
    alone = settings.notify.model_copy(update={"to": (kind,)})
    if kind is not SinkKind.MAIL:
        alone = alone.model_copy(update={"mail": None})
    return secret_faults(alone, environment)


def _whom(kind: SinkKind) -> str:
    return {
        SinkKind.MAIL: "The mail server",
        SinkKind.TEAMS: "Teams",
        SinkKind.SLACK: "Slack",
        SinkKind.WEBHOOK: "The webhook",
    }[kind]
