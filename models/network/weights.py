"""The weights of the network as arrays: their file, their digest, and what it takes as input."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import BundleError, FeatureMismatchError

INPUT_SHAPE = (64, 64, 64)
"""Voxels (z, y, x) of the network's input."""


N_DEEP_FEATURES = 512


DEEP_COLUMNS = tuple(f"deep:{position:03d}" for position in range(N_DEEP_FEATURES))
"""Feature columns of the deep features."""


_ARCHITECTURE = "squeeze_excitation"
"""Name in the npz file beside those of the arrays."""


_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class NetworkWeights:
    """Weights of one trained network.

    Parameters
    ----------
    arrays : mapping of str to ndarray of float32
        By layer path (``block1_unit1_conv/kernel``), kept as read-only copies in sorted order.
    squeeze_excitation : bool
        Whether the network has its SE modules (the ablation has none).

    Raises
    ------
    BundleError
        If there is no array, or one is not finite numbers.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    squeeze_excitation: bool = True

    def __post_init__(self) -> None:
        kept: dict[str, NDArray[np.float32]] = {}
        for path in sorted(self.arrays):
            array = np.array(self.arrays[path], dtype=np.float32, order="C")
            _refuse_not_finite(path, array)
            array.flags.writeable = False
            kept[path] = array
        _refuse_none(kept)
        object.__setattr__(self, "arrays", MappingProxyType(kept))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every path, shape and value, lowercase hexadecimal."""
        return _digest(self.squeeze_excitation, self.arrays.items())

    def to_npz(self) -> bytes:
        """Return an npz file, whose bytes depend on the weights only (`numpy.savez` stores the time
        of day).
        """
        buffer = io.BytesIO()
        arrays: dict[str, NDArray[Any]] = dict(self.arrays)
        arrays[_ARCHITECTURE] = np.array(self.squeeze_excitation)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(arrays):
                stream = io.BytesIO()
                array = arrays[path]
                np.lib.format.write_array(
                    stream, array.astype(array.dtype.newbyteorder("<")), allow_pickle=False
                )
                archive.writestr(zipfile.ZipInfo(f"{path}.npy", _ZIP_EPOCH), stream.getvalue())
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, content: bytes) -> NetworkWeights:
        """Read weights from `to_npz`'s bytes; nothing in them is ever executed.

        Raises
        ------
        BundleError
            If the bytes are not such a file.
        """
        with _readable_npz(), np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {path: archive[path] for path in archive.files}
            squeeze_excitation = bool(arrays.pop(_ARCHITECTURE))
        return cls(arrays, squeeze_excitation)


def named_weights(file: BinaryIO) -> tuple[str, bool]:
    """Check `NetworkWeights.to_npz`'s bytes in a file, one array at a time, and return what names
    the weights: their digest, and whether the network has its SE modules.

    Raises
    ------
    BundleError
        If they are no usable weights.
    """
    with _readable_npz(), np.load(file, allow_pickle=False) as archive:
        paths = sorted(set(archive.files) - {_ARCHITECTURE})
        squeeze_excitation = bool(archive[_ARCHITECTURE])
        _refuse_none(paths)
        return _digest(squeeze_excitation, _each(archive, paths)), squeeze_excitation


def _each(
    archive: Mapping[str, NDArray[Any]], paths: Iterable[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for path in paths:
        array = np.asarray(archive[path], dtype=np.float32)
        _refuse_not_finite(path, array)
        yield path, array


def _digest(squeeze_excitation: bool, arrays: Iterable[tuple[str, NDArray[np.float32]]]) -> str:
    digest = hashlib.sha256(b"se" if squeeze_excitation else b"no-se")
    for path, array in arrays:
        header = f"\0{path}\0{','.join(map(str, array.shape))}\0"
        digest.update(header.encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()


@contextmanager
def _readable_npz() -> Iterator[None]:
    try:
        yield
    except BundleError:
        raise
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(
            "The network weights are not a readable npz file: freeze the bundle again."
        ) from error


def _refuse_not_finite(path: str, array: NDArray[np.float32]) -> None:
    if not np.isfinite(array).all():
        raise BundleError(
            f"The network weights {path} are not finite numbers: train the network again."
        )


def _refuse_none(paths: Collection[str]) -> None:
    if not paths:
        raise BundleError("The network has no weights: train it first.")


def checked_inputs(inputs: ArrayLike) -> NDArray[np.float32]:
    """Return network inputs as float32, shape (n, 64, 64, 64), or refuse them.

    Raises
    ------
    FeatureMismatchError
        If the shape is another or a value is not finite.
    """
    volumes = np.asarray(inputs, dtype=np.float32)
    if volumes.shape[1:] != INPUT_SHAPE:
        raise FeatureMismatchError(
            f"The network's input has shape {volumes.shape}: expected (patients, 64, 64, 64)."
        )
    if not np.isfinite(volumes).all():
        raise FeatureMismatchError(
            "The network's input has values that are not finite: make it again from the CT."
        )
    return volumes
