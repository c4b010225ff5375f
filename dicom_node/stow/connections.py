"""The connections of the HTTP server: at most so many, and those that ask for nothing make room."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

SPARE: Final = 16


def most_connections(requests: int) -> int:
    """Return how many connections are held for so many requests at once, handshakes included."""
    return 2 * requests + SPARE


class LimitedSocket(socket.socket):
    """A listening socket that never holds more than so many connections.

    When one more comes, the one that has been silent longest is ended; when all of them are busy,
    the new one is.
    """

    maximum = 0
    _open: dict[int, _Connection]

    @classmethod
    def listening(cls, address: tuple[str, int], maximum: int, backlog: int) -> LimitedSocket:
        """Return a socket that listens on an address.

        Raises
        ------
        OSError
            If it cannot be bound.
        """
        made = cls(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        made.maximum, made._open = maximum, {}
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(backlog)
        except OSError:
            made.close()
            raise
        return made

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection, if there is room for it or room can be made.

        Raises
        ------
        ConnectionAbortedError
            If there is none, so that the server waits for the next.
        """
        descriptor, address = self._accept()  # type: ignore[attr-defined]
        connection = _Connection(self.family, self.type, self.proto, fileno=descriptor)
        connection.setblocking(False)
        connection.gone = lambda: self._open.pop(descriptor, None)
        if len(self._open) >= self.maximum and not self._make_room():
            connection.close()
            raise ConnectionAbortedError
        self._open[descriptor] = connection
        return connection, address

    def set_busy(self, descriptor: int, *, is_busy: bool) -> None:
        """Know whether a request is being answered on a connection."""
        if descriptor in self._open:
            self._open[descriptor].is_busy = is_busy

    def _make_room(self) -> bool:
        silent = next((one for one in self._open.values() if not one.is_busy), None)
        if silent is None:
            return False
        del self._open[silent.fileno()]
        with suppress(OSError):
            silent.shutdown(socket.SHUT_RDWR)
        return True


class _Connection(socket.socket):
    """An accepted connection, which says when it is closed."""

    is_busy = False
    gone: Callable[[], object]

    def close(self) -> None:
        """Close the connection, and say that it has gone."""
        self.gone()
        super().close()
