"""Mail: one mailbox, one Message-ID, and only encrypted where that was asked for."""

from __future__ import annotations

import smtplib
import ssl
from pathlib import Path

import pytest

from flows.notices.mail import MailServer
from tests.support.certificates import make_certificates
from tests.support.notice_sinks import mail_sink


def _server(port: int, **more: object) -> MailServer:
    return MailServer.model_validate(
        {
            "host": "localhost",
            "port": port,
            "security": "none",
            "sender": "annulus@hospital.example",
            "recipient": "physics@hospital.example",
            "message_id": "<ab12@hospital.example>",
            **more,
        }
    )


def test_a_mail_goes_to_its_mailbox_under_its_own_id() -> None:
    with mail_sink() as sink:
        for _ in range(2):
            _server(sink.port).notify("A line.\n.\nÄ third.\n", "Annulus: né")
    assert sink.recipients == ["physics@hospital.example"] * 2
    assert sink.ids() == {"<ab12@hospital.example>": 2}
    mail = sink.mails[0]
    assert (mail["To"], mail["From"]) == ("physics@hospital.example", "annulus@hospital.example")
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("Annulus: né", "auto-generated")
    assert mail.get_content().splitlines() == ["A line.", ".", "Ä third."]


def test_a_server_that_refuses_or_has_no_tls_is_an_error() -> None:
    with mail_sink() as sink:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            _server(sink.port, security="starttls").notify("A line.")
        login = {"user": "annulus", "password": "one that is made up"}
        with pytest.raises(smtplib.SMTPNotSupportedError):
            _server(sink.port, **login).notify("A line.")
        sink.refuses = "451 try later"
        with pytest.raises(smtplib.SMTPDataError, match="try later"):
            _server(sink.port).notify("A line.")
        assert sink.mails == []
    with pytest.raises(ConnectionRefusedError):
        _server(sink.port).notify("A line.")


def test_tls_needs_a_certificate_that_the_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make_certificates(tmp_path)
    with mail_sink(tls=certificates.server_context(mutual=False)) as sink:
        with pytest.raises(ssl.SSLCertVerificationError):
            _server(sink.port, security="tls").notify("A line.")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        _server(sink.port, security="tls").notify("A line.")
    assert len(sink.mails) == 1
