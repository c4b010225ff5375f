"""The dataset in a file, or in memory, to be read piece by piece."""

from __future__ import annotations

import os
from typing import Final

_READ_AHEAD: Final = 32768


class DatasetWindow:
    """The dataset in a file; only what is looked at comes into memory.

    Parameters
    ----------
    descriptor : int
        The open file.
    start, length : int
        Where the dataset lies in it, in bytes.
    """

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._length = length
        self._ahead = b""
        self._ahead_at = 0

    def __len__(self) -> int:
        return self._length

    def at(self, position: int, count: int) -> bytes:
        """Return so many bytes from `position` on, or what there is of them."""
        offset = position - self._ahead_at
        if offset >= 0 and offset + count <= len(self._ahead):
            return self._ahead[offset : offset + count]
        count = max(min(count, self._length - position), 0)
        if count > _READ_AHEAD:
            return self._read(position, count)
        self._ahead = self._read(position, min(_READ_AHEAD, self._length - position))
        self._ahead_at = position
        return self._ahead[:count]

    def _read(self, position: int, count: int) -> bytes:
        pieces = []
        while count > 0:
            piece = os.pread(self._descriptor, count, self._start + position)
            if not piece:
                break
            pieces.append(piece)
            position += len(piece)
            count -= len(piece)
        return b"".join(pieces)


class DatasetBytes(DatasetWindow):
    """A dataset that lies in memory already."""

    def __init__(self, dataset: bytes) -> None:
        super().__init__(-1, 0, len(dataset))
        self._dataset = dataset

    def at(self, position: int, count: int) -> bytes:
        """Return so many bytes from `position` on, or what there is of them."""
        return self._dataset[position : position + count]
