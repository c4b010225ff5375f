"""The texts of a Parquet file, decompressed: what a search of its bytes cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def text_of_parquet(path: Path) -> Iterator[bytes]:
    """Yield all texts and bytes of a Parquet file, decompressed, a column of a row group at a
    time.

    Raises
    ------
    ArrowException, OSError
        If it is no Parquet file that can be read.
    """
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        for column in file.read_row_group(group).columns:
            for chunk in column.chunks:
                yield from _buffers(chunk)


def texts_or_bytes(path: Path) -> Iterator[bytes]:
    """Yield the texts of a Parquet file, or its bytes if it cannot be read as one."""
    try:
        yield from text_of_parquet(path)
    except (pa.ArrowException, OSError):
        yield path.read_bytes()


def _buffers(chunk: pa.Array) -> Iterator[bytes]:
    kind = chunk.type
    if pa.types.is_dictionary(kind):
        yield from _buffers(chunk.dictionary_decode())
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from _buffers(chunk.field(number))
    elif pa.types.is_map(kind):
        yield from _buffers(chunk.keys)
        yield from _buffers(chunk.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _buffers(chunk.flatten())
    elif any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_string_view,
            pa.types.is_binary_view,
        )
    ):
        yield b"\n".join(
            value.encode() if isinstance(value, str) else value
            for value in chunk.to_pylist()
            if value is not None
        )
