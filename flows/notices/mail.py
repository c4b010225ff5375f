"""Mail as a notification block of Prefect's kind, which has none for a mail server.

Apprise, on which Prefect's blocks stand, gives a mail another Message-ID at every try, by which
nobody could know a repetition, and does not tell what the server answered.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

from prefect.blocks.abstract import NotificationBlock
from pydantic import Field, SecretStr

_WITHIN_S = 10.0


class MailServer(NotificationBlock):
    """Sends mail to one mailbox by a mail server (SMTP, RFC 5321).

    Parameters
    ----------
    host, port : str, int
        Where it listens.
    security : {"starttls", "tls", "none"}
        How the connection is encrypted; its certificate is checked by the machine's authorities.
    user : str or None
        As whom to log in.
    password : SecretStr or None
        With what.
    sender, recipient : str
        Mail addresses.
    message_id : str
        The same for the same message, so that a mailbox can know a repetition.
    """

    _block_type_name = "Annulus mail server"
    _block_type_slug = "annulus-mail-server"

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    sender: str
    recipient: str
    message_id: str = Field(pattern=r"^<[^<>@\s]+@[^<>@\s]+>$")

    def notify(self, body: str, subject: str | None = None) -> None:  # type: ignore[override]
        """Send a mail.

        Raises
        ------
        OSError
            If the server cannot be reached or does not take it; smtplib's errors are such.
        """
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, self.recipient
        mail["Subject"] = subject or ""
        mail["Message-ID"], mail["Date"] = self.message_id, formatdate()
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(body)
        with self._connection() as server:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user is not None and self.password is not None:
                server.login(self.user, self.password.get_secret_value())
            server.send_message(mail, self.sender, [self.recipient])

    def _connection(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_WITHIN_S, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=_WITHIN_S)
