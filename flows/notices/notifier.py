"""The notifier: notes what people must hear of, and tells it, as long as the dispatcher runs.

Each kind of sink has a thread of its own, so that none waits for another that does not answer.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from dicom_node.clock import Clock, utc_now
from dicom_node.errors import NodeError, where_raised
from dicom_node.registry.registry import Message
from flows.installation import Installation
from flows.notices.causes import Causes
from flows.notices.events import PREFECT
from flows.notices.message import NotTakenError
from flows.notices.sinks import most_in, send
from flows.own_server import answers, api_url
from flows.settings.notify import NoticeKind, secret_faults

_log = logging.getLogger(__name__)
_ASK_EVERY_S: Final = 1.0
_FORGET_EVERY_S: Final = 3600.0
_STOP_WITHIN_S: Final = 15.0


class Notifier:
    """Notes and tells.

    Parameters
    ----------
    work : Installation
        Settings and registry.
    environment : mapping of str to str, optional
        With the secrets; by default this process's.
    clock : callable, optional
        Returns the current time.
    """

    def __init__(
        self,
        work: Installation,
        environment: Mapping[str, str] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._work = work
        self._environment = os.environ if environment is None else environment
        self._notify = work.settings.notify
        self._now = clock
        self._causes = Causes(work)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._forget_due = 0.0

    def run(self, stop: threading.Event) -> None:
        """Note and tell until `stop` is set."""
        for sentence in secret_faults(self._notify, self._environment):
            _log.error("Notices wait. %s", sentence)
        tellers = [
            threading.Thread(target=self._tell, args=(sinks, stop), daemon=True, name=kind)
            for kind, sinks in self._sinks_by_kind().items()
        ]
        for teller in tellers:
            teller.start()
        while not stop.is_set():
            self._look()
            stop.wait(self._notify.look_every_s)
        deadline = time.monotonic() + _STOP_WITHIN_S
        for teller in tellers:
            teller.join(max(0.0, deadline - time.monotonic()))

    def look(self) -> int:
        """Note what holds now, and return how much of it is news.

        Raises
        ------
        NodeError
            If the registry does not answer.
        """
        found = self._causes.now(self._now())
        chosen = (PREFECT, *self._notify.sinks())
        sinks = {
            str(kind): chosen if kind in self._notify.kinds else (PREFECT,) for kind in NoticeKind
        }
        return self._work.registry.notices.note(found.causes, found.looked_at, sinks)

    def tell_next(self, sinks: tuple[str, ...]) -> bool:
        """Tell one of some sinks what is due, and return whether anything was.

        Raises
        ------
        NodeError
            If the registry does not answer.
        """
        prefect = self._work.settings.prefect
        sendings = self._work.registry.notice_sendings
        message = sendings.claim(sinks, self._owner, prefect.lease_s, most_in(sinks[0]))
        if message is None:
            return False
        why = self._send(message)
        if why is None:
            sendings.mark_told(message.id)
            return True
        wait_s = prefect.retry_after_s(message.attempts)
        sendings.put_off(message.id, self._owner, str(why), wait_s, may_be_known=why.may_be_known)
        kind = message.sink.partition(":")[0]
        words = "Message %s to %s is tried again in %.0f s. %s"
        _log.warning(words, message.id, kind, wait_s, why)
        return True

    def _send(self, message: Message) -> NotTakenError | None:
        """Send a message, and return why it was not taken."""
        try:
            send(self._work.settings, self._environment, message)
        except NotTakenError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the verdict is the message's, and recorded
            words = f"It cannot be told ({where_raised(error)}): tell who maintains Annulus."
            return NotTakenError(words, may_be_known=True)
        return None

    def _sinks_by_kind(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {PREFECT: [PREFECT]}
        for sink in self._notify.sinks():
            found.setdefault(sink.partition(":")[0], []).append(sink)
        return {kind: tuple(sinks) for kind, sinks in found.items()}

    def _tell(self, sinks: tuple[str, ...], stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                # A server that is down is not asked for each message, and is told when it is back
                while self._can_be_asked(sinks) and self.tell_next(sinks) and not stop.is_set():
                    pass
            except NodeError as error:
                _log.warning("Notices wait. %s", error)
            stop.wait(_ASK_EVERY_S)

    def _can_be_asked(self, sinks: tuple[str, ...]) -> bool:
        return PREFECT not in sinks or answers(api_url(self._work.settings))

    def _look(self) -> None:
        try:
            self._look_or_record_why_not()
        except NodeError as error:
            _log.warning("What people must hear of cannot be noted. %s", error)

    def _look_or_record_why_not(self) -> None:
        try:
            if news := self.look():
                _log.info("New notices: %d.", news)
            self._forget()
        except NodeError:
            raise
        except Exception as error:  # noqa: BLE001 - recorded, for nobody else would tell
            sentence = (
                f"What people must hear of cannot be looked for ({where_raised(error)}): tell who "
                "maintains Annulus."
            )
            _log.error("%s", sentence)
            self._work.registry.incidents.record("notices", sentence, None, "notices")

    def _forget(self) -> None:
        """Forget what ended long ago, once an hour."""
        days = self._work.settings.node.incident_days
        if not days or time.monotonic() < self._forget_due:
            return
        self._forget_due = time.monotonic() + _FORGET_EVERY_S
        self._work.registry.notices.forget(self._now() - timedelta(days=days))
