"""A body arrives in pieces of any size, and each part is what was sent; what is no multipart body
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.stow.multipart import (
    MAXIMUM_HEADER_BYTES,
    MultipartError,
    MultipartReader,
    boundary_of,
)

BOUNDARY = b"a-boundary"
# Content that looks like the beginning of a delimiter is the hard case.
CONTENT = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"\r\n--a-bound", b"x", b"\0" * 9])
).map(b"".join)


class _Parts:
    """Keeps every part, for tests only."""

    def __init__(self) -> None:
        self.parts: list[tuple[Mapping[str, str], bytes]] = []
        self.finished = 0

    def open(self, headers: Mapping[str, str]) -> _Parts:
        self.parts.append((headers, b""))
        return self

    def write(self, piece: bytes) -> None:
        headers, content = self.parts[-1]
        self.parts[-1] = (headers, content + piece)

    def finish(self) -> None:
        self.finished += 1


def _body(contents: list[bytes]) -> bytes:
    parts = b"".join(
        b"\r\n--a-boundary \r\nContent-Type: application/dicom\r\nContent-Length: %d\r\n\r\n"
        % len(one)
        + one
        for one in contents
    )
    return b"a preamble" + parts + b"\r\n--a-boundary--\r\nan epilogue"


@given(st.lists(CONTENT, min_size=1, max_size=4), st.integers(1, 40))
def test_parts_are_what_was_sent_however_the_body_is_cut(contents: list[bytes], size: int) -> None:
    parts, body = _Parts(), _body(contents)
    reader = MultipartReader(BOUNDARY, parts.open)
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    reader.end()
    assert [content for _, content in parts.parts] == contents
    assert parts.finished == len(contents)
    assert all(headers["content-type"] == "application/dicom" for headers, _ in parts.parts)


@pytest.mark.parametrize("cut", range(1, len(_body([b"abc"])) - len(b"--\r\nan epilogue")))
def test_a_body_that_is_cut_off_is_never_taken_for_whole(cut: int) -> None:
    reader = MultipartReader(BOUNDARY, _Parts().open)
    reader.feed(_body([b"abc"])[:cut])
    with pytest.raises(MultipartError, match="cut off"):
        reader.end()


def test_a_part_without_headers_is_a_part() -> None:
    parts = _Parts()
    reader = MultipartReader(BOUNDARY, parts.open)
    reader.feed(b"--a-boundary\r\n\r\nx\r\n--a-boundary--")
    reader.end()
    assert parts.parts == [({}, b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"--a-boundaryx\r\n",
        b"--a-boundary" + b" " * (MAXIMUM_HEADER_BYTES + 1),
        b"--a-boundary\r\nA: " + b"x" * (MAXIMUM_HEADER_BYTES + 1),
    ],
)
def test_what_could_grow_without_end_is_refused(body: bytes) -> None:
    reader = MultipartReader(BOUNDARY, _Parts().open)
    with pytest.raises(MultipartError):
        reader.feed(body)


def test_the_boundary_and_the_type_are_read_from_the_content_type() -> None:
    assert boundary_of('Multipart/Related; type="application/DICOM"; boundary="a b"') == (
        b"a b",
        "application/dicom",
    )
    assert boundary_of("multipart/related; boundary=x") == (b"x", "application/dicom")
    with_syntax = '"application/dicom; transfer-syntax=1.2.840.10008.1.2.1"'
    assert boundary_of(f"multipart/related; type={with_syntax}; boundary=x") == (
        b"x",
        "application/dicom",
    )


@pytest.mark.parametrize(
    "content_type", ["", "application/dicom", "multipart/related", (
        "multipart/form-data; boundary=x"
    ),
                     'multipart/related; boundary=""', f"multipart/related; boundary={'x' * 71}",
                     "multipart/related; boundary*=utf-8''x"]
)  # fmt: skip
def test_another_content_type_is_refused_with_a_sentence(content_type: str) -> None:
    with pytest.raises(MultipartError, match=r"Expected|usable boundary"):
        boundary_of(content_type)
