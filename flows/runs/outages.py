"""A server that does not answer is said in one line of the log: Prefect's own clients show where in
their code they noticed it, which tells nobody anything.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError

_EVENT_WRITER = "prefect.server.events.services.event_persister"
"""At its end Prefect's server writes again what it has just written, and says that it cannot."""


class OutagesInOneLine(logging.Filter):
    """Lets every record through, and puts the name of an outage into its line in place of a
    traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and (record.name == _EVENT_WRITER or _is_outage(error)):
            first, *_ = str(error).splitlines() or [""]
            what = f"{type(error).__name__}: {first}".removesuffix(": ")
            said = f"{record.getMessage()} ({what})"
            vars(record).update(msg=said, args=(), exc_info=None, exc_text=None)
        return True


def say_outages_in_one_line() -> None:
    """Let the log of this process show outages without tracebacks, once it is set up."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(OutagesInOneLine())


def _is_outage(error: BaseException) -> bool:
    # What raises them has them loaded; others need not wait for them
    import httpx  # noqa: PLC0415
    from websockets.exceptions import WebSocketException  # noqa: PLC0415

    # Cancelled is what Prefect polled with as long as the server did not answer
    outages = OSError | httpx.TransportError | WebSocketException | CancelledError
    return isinstance(error, outages)
