"""The table ``[notify]``: whom the system tells of what people must hear of, and the secrets that
this takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from dicom_node.settings import Fault
from dicom_node.settings.values import TABLE, Host, Port

MAIL_PASSWORD: Final = "ANNULUS_NOTIFY_MAIL_PASSWORD"  # noqa: S105 - a variable's name, no password
TEAMS_URL: Final = "ANNULUS_NOTIFY_TEAMS_URL"
SLACK_URL: Final = "ANNULUS_NOTIFY_SLACK_URL"
WEBHOOK_URL: Final = "ANNULUS_NOTIFY_WEBHOOK_URL"
WEBHOOK_TOKEN: Final = "ANNULUS_NOTIFY_WEBHOOK_TOKEN"  # noqa: S105 - the same

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_LONGEST_ADDRESS = 254
_TEAMS = re.compile(
    r"https://[\w.-]+(:\d+)?(/powerautomate/automations/direct(/cu/\d+)?)?"
    r"/workflows/[\w-]+/triggers/manual/paths/invoke/?\?.+",
    re.IGNORECASE,
)
_SLACK = re.compile(r"https://hooks\.slack(-gov)?\.com/services/\w+/\w+/\w+/?", re.IGNORECASE)


class NoticeKind(StrEnum):
    """What people are told of."""

    QUARANTINED = "quarantined"
    HELD = "held"
    INCOMPLETE = "incomplete"
    UNDELIVERED = "undelivered"
    VALIDATION_FAILED = "validation-failed"
    VERDICT_CHANGED = "verdict-changed"
    DISK = "disk"
    RESTARTS = "restarts"


class SinkKind(StrEnum):
    """How people are told; every notice is an event of Prefect besides."""

    MAIL = "mail"
    TEAMS = "teams"
    SLACK = "slack"
    WEBHOOK = "webhook"


def _mail_address(value: str) -> str:
    if len(value) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a mail address: expected one like name@hospital.example."
        )
    return value


MailAddress = Annotated[str, AfterValidator(_mail_address)]
"""RFC 5321 section 4.1.2, a Mailbox without quotes."""


class MailTable(BaseModel):
    """``[notify.mail]``: the mail server, and to whom it is given."""

    model_config = TABLE

    host: Host
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = Field(default=None, min_length=1, max_length=320)
    sender: MailAddress
    to: tuple[MailAddress, ...] = Field(min_length=1, max_length=50)


class NotifyTable(BaseModel):
    """``[notify]``: who is told of what, and after what time."""

    model_config = TABLE

    to: tuple[SinkKind, ...] = ()
    kinds: tuple[NoticeKind, ...] = tuple(NoticeKind)
    late_after_hours: float = Field(default=1.0, gt=0, le=24 * 366)
    incomplete_after_hours: float = Field(default=24.0, gt=0, le=24 * 366)
    look_every_s: float = Field(default=30.0, ge=0.1, le=3600)
    mail: MailTable | None = None

    def sinks(self) -> tuple[str, ...]:
        """Return whom people chose to be told, by name; each mailbox is one."""
        found: list[str] = []
        for kind in self.to:
            if kind is SinkKind.MAIL and self.mail is not None:
                found += [f"{kind}:{address}" for address in self.mail.to]
            else:
                found.append(str(kind))
        return tuple(found)


def notify_faults(notify: NotifyTable) -> Iterator[Fault]:
    """Yield what of the table cannot hold together."""
    for number, kind in enumerate(notify.to):
        if kind in notify.to[:number]:
            yield Fault(("notify", "to", number), f"{kind} is given twice: keep one.")
    if SinkKind.MAIL in notify.to and notify.mail is None:
        yield Fault(
            ("notify", "to"),
            "Mail is to be sent, but by no server: describe it in [notify.mail], with host, sender "
            "and to.",
        )
    if notify.mail is None:
        return
    mail = notify.mail
    if SinkKind.MAIL not in notify.to:
        yield Fault(
            ("notify", "mail"),
            'Nobody is told by this server: add "mail" to notify.to, or take the table away.',
        )
    for number, address in enumerate(mail.to):
        if address in mail.to[:number]:
            yield Fault(("notify", "mail", "to", number), f"{address} is given twice: keep one.")
    if mail.user is not None and mail.security == "none" and not _is_this_machine(mail.host):
        yield Fault(
            ("notify", "mail", "security"),
            f"The password of {mail.user} would travel as it is: expected starttls or tls, or no "
            "user.",
        )


def secret_faults(notify: NotifyTable, environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each secret that the table asks for and that is not there, or cannot be
    meant; no sentence shows one.

    Parameters
    ----------
    notify : NotifyTable
        The table.
    environment : mapping of str to str
        With the variables of the secrets file.
    """
    found = []
    where = "in annulus.env or the environment"
    needed = {
        SinkKind.TEAMS: (TEAMS_URL, _is_teams, "the address of a workflow of Power Automate"),
        SinkKind.SLACK: (SLACK_URL, _is_slack, "an incoming webhook: https://hooks.slack.com/…"),
        SinkKind.WEBHOOK: (WEBHOOK_URL, _is_http, "an address like https://alarms.example/annulus"),
    }
    for kind, (variable, is_meant, expected) in needed.items():
        if kind not in notify.to:
            continue
        value = environment.get(variable, "")
        if not value:
            found.append(f"notify.to names {kind}, which needs {variable} {where}: {expected}")
        elif not is_meant(value):
            found.append(f"{variable} is not what {kind} needs: expected {expected}")
    if notify.mail is not None and notify.mail.user and not environment.get(MAIL_PASSWORD):
        found.append(f"notify.mail.user needs a password: expected {MAIL_PASSWORD} {where}")
    return found


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_teams(value: str) -> bool:
    return bool(_TEAMS.fullmatch(value))


def _is_slack(value: str) -> bool:
    return bool(_SLACK.fullmatch(value))


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in value
    except ValueError:
        return False
