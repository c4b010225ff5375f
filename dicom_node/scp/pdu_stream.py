"""PDUs off a socket: blocking, one reusable buffer, and long data poured on piece by piece as it
comes.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from dicom_node.intake.pace import Pace
from dicom_node.network.pdu import HEADER_BYTES

BUFFER_BYTES: Final = 1 << 18
_SMALLEST_WAIT_S: Final = 0.001

Sink = Callable[[memoryview], None]


class PeerClosedError(ConnectionError):
    """The peer closed or lost the connection."""


class PeerSilentError(TimeoutError):
    """Nothing came from the peer for too long."""


class PduStream:
    """The reading side of a connection.

    Parameters
    ----------
    connection : socket.socket
        A connected socket, TLS or not.
    silence_s : float
        Seconds of silence after which `PeerSilentError` is raised.
    pace : Pace, optional
        How slowly it may send; slower is silence too.
    """

    def __init__(
        self, connection: socket.socket, silence_s: float, pace: Pace | None = None
    ) -> None:
        self._connection = connection
        self.pace = pace
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0
        self._deadline: float | None = None
        connection.settimeout(silence_s)

    def wait_at_most(self, silence_s: float, total_s: float | None = None) -> None:
        """Set how long silence is borne, and how long everything from now on may take.

        Parameters
        ----------
        silence_s : float
            Seconds of silence.
        total_s : float, optional
            Seconds in all, however much comes; without, there is no such limit.
        """
        self._deadline = None if total_s is None else time.monotonic() + total_s
        self._connection.settimeout(silence_s)

    def header(self) -> tuple[int, int]:
        """Return type and length of the next PDU.

        Raises
        ------
        PeerClosedError, PeerSilentError
            If it does not come.
        """
        while self._end - self._start < HEADER_BYTES:
            self._fill()
        head = self._buffer[self._start : self._start + HEADER_BYTES]
        self._start += HEADER_BYTES
        return head[0], int.from_bytes(head[2:6], "big")

    def take(self, count: int) -> bytes:
        """Return exactly so many bytes; for what is short.

        Raises
        ------
        PeerClosedError, PeerSilentError
            If they do not come.
        """
        if self._end - self._start >= count:
            taken = bytes(self._buffer[self._start : self._start + count])
            self._start += count
            return taken
        pieces: list[bytes] = []
        self.pour(count, lambda piece: pieces.append(bytes(piece)))
        return b"".join(pieces)

    def pour(self, count: int, sink: Sink) -> None:
        """Hand exactly so many bytes to `sink`, in pieces that are valid during the call only.

        Raises
        ------
        PeerClosedError, PeerSilentError
            If they do not come.
        """
        while count:
            if self._start == self._end:
                self._fill()
            end = min(self._end, self._start + count)
            sink(self._buffer[self._start : end])
            count -= end - self._start
            self._start = end

    def discard_rest(self) -> None:
        """Throw away whatever comes until the peer closes.

        Raises
        ------
        PeerClosedError, PeerSilentError
            When it ends; it has no other end.
        """
        while True:
            self._start = self._end = 0
            self._fill()

    def _fill(self) -> None:
        """Read once, behind what is buffered; the buffer is only ever full of what somebody is
        about to take.
        """
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == BUFFER_BYTES:
            kept = self._end - self._start
            self._buffer[:kept] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, kept
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise PeerSilentError
            self._connection.settimeout(max(left, _SMALLEST_WAIT_S))
        began = time.monotonic()
        try:
            count = self._connection.recv_into(self._buffer[self._end :])
        except TimeoutError as error:
            raise PeerSilentError from error
        except OSError as error:
            raise PeerClosedError from error
        if count == 0:
            raise PeerClosedError
        self._end += count
        if self.pace is not None:
            self.pace.heard(count, time.monotonic() - began)
            if self.pace.is_too_slow:
                raise PeerSilentError
