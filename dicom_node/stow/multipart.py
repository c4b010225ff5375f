"""A multipart/related body (RFC 2046 section 5.1, RFC 2387), read piece by piece; nothing of a part
is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final, Protocol

MAXIMUM_HEADER_BYTES: Final = 8192
_LONGEST_BOUNDARY: Final = 70
_HEADERS_END: Final = b"\r\n\r\n"


class MultipartError(ValueError):
    """A body is not what its Content-Type says; the message is a sentence."""


class PartSink(Protocol):
    """Takes the content of one part."""

    def write(self, piece: bytes) -> None:
        """Take a piece; must not fail."""

    def finish(self) -> None:
        """Know that the part has ended."""


def boundary_of(content_type: str) -> tuple[bytes, str]:
    """Return the boundary of a multipart/related Content-Type, and the type of its parts in lower
    case.

    Raises
    ------
    MultipartError
        If it is another type, or has no usable boundary.
    """
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    boundary, kind = message.get_param("boundary"), message.get_param("type", "application/dicom")
    if message.get_content_type() != "multipart/related" or not isinstance(kind, str):
        raise MultipartError(
            "Expected a body of Content-Type multipart/related; type=application/dicom; "
            "boundary=..."
        )
    if (
        not isinstance(boundary, str)
        or not 0 < len(boundary) <= _LONGEST_BOUNDARY
        or not boundary.isascii()
    ):
        raise MultipartError(
            "The Content-Type has no usable boundary: expected 1 to 70 ASCII characters."
        )
    # Some senders put the transfer syntax of the parts within the quotes of their type.
    return boundary.encode(), kind.partition(";")[0].strip().lower()


class MultipartReader:
    """Takes a body in pieces of any size, and hands the content of each part to a sink of its own.

    Parameters
    ----------
    boundary : bytes
        The boundary, without its dashes.
    open_part : callable
        Returns the sink of a part; given the part's headers, their names in lower case.
    """

    def __init__(self, boundary: bytes, open_part: Callable[[Mapping[str, str]], PartSink]) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._open_part = open_part
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter looks like the others
        self._step: Callable[[], bool] = self._preamble
        self._sink: PartSink | None = None

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body.

        Raises
        ------
        MultipartError
            If it cannot be a part of one.
        """
        self._buffer += data
        while self._step():
            pass

    def end(self) -> None:
        """Know that the body has ended.

        Raises
        ------
        MultipartError
            If it was cut off.
        """
        if self._step != self._epilogue:
            raise MultipartError(
                "The body ends before its last boundary: it was cut off; send it again."
            )

    def _preamble(self) -> bool:
        return self._pass_delimiter(self._nowhere)

    def _content(self) -> bool:
        assert self._sink is not None  # noqa: S101 - headers lead here, and they open the part
        return self._pass_delimiter(self._sink.write)

    def _pass_delimiter(self, take: Callable[[bytes], None]) -> bool:
        """Hand on what comes before the next delimiter; what could be the beginning of one is kept
        back.
        """
        found = self._buffer.find(self._delimiter)
        safe = found if found >= 0 else len(self._buffer) - len(self._delimiter) + 1
        if safe > 0:
            take(bytes(memoryview(self._buffer)[:safe]))
            del self._buffer[:safe]
        if found < 0:
            return False
        del self._buffer[: len(self._delimiter)]
        self._step = self._after_delimiter
        if self._sink is not None:
            self._sink.finish()
            self._sink = None
        return True

    def _after_delimiter(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self._step = self._epilogue
            return True
        end = self._buffer.find(b"\r\n")
        if end < 0 and len(self._buffer) <= MAXIMUM_HEADER_BYTES:
            return False
        if end < 0 or self._buffer[:end].strip(b" \t"):
            raise MultipartError(
                "A boundary is followed by other bytes than the end of its line: the body is "
                "damaged."
            )
        del self._buffer[:end]  # the end of the line begins the headers
        self._step = self._headers
        return True

    def _headers(self) -> bool:
        end = self._buffer.find(_HEADERS_END)
        if (end if end >= 0 else len(self._buffer)) > MAXIMUM_HEADER_BYTES:
            raise MultipartError(f"A part has more than {MAXIMUM_HEADER_BYTES} bytes of headers.")
        if end < 0:
            return False
        headers = BytesHeaderParser().parsebytes(bytes(self._buffer[2:end]))
        del self._buffer[: end + len(_HEADERS_END)]
        self._sink = self._open_part({name.lower(): str(value) for name, value in headers.items()})
        self._step = self._content
        return True

    def _epilogue(self) -> bool:
        self._buffer.clear()
        return False

    def _nowhere(self, _piece: bytes) -> None:
        """Take what comes before the first part."""
