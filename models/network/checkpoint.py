"""What a training must remember to continue as if it had never been interrupted.

One file, replaced as a whole: a process that is killed at any moment leaves the last file that was
written or the one before. Nothing is pickled.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.durable_files import write_durably

_LOG = logging.getLogger(__name__)
_STATE = "state.json"
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Epoch:
    """What one epoch achieved.

    Parameters
    ----------
    number : int
        From 1.
    loss : float
        Mean loss of the batches, with weight decay.
    held_out_loss : float or None
        Loss of the patients held out, `None` without any.
    best : bool
        Whether this epoch's weights are the best so far.
    """

    number: int
    loss: float
    held_out_loss: float | None
    best: bool


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after some epochs.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of data, settings and seed; a checkpoint continues no other training.
    curve : tuple of Epoch
        The epochs so far.
    variables, optimizer : mapping of str to ndarray
        Every variable of the network, the dropout's generators included, and of the optimiser, by
        position.
    best : mapping of str to ndarray
        Weights of the best epoch, by path.
    """

    fingerprint: str
    curve: tuple[Epoch, ...]
    variables: Arrays
    optimizer: Arrays
    best: Arrays

    def write(self, path: Path) -> None:
        """Replace the file at `path`, durably and at once."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            record = {
                "fingerprint": self.fingerprint,
                "curve": [asdict(epoch) for epoch in self.curve],
            }
            archive.writestr(_STATE, json.dumps(record))
            for group in ("variables", "optimizer", "best"):
                for name, array in getattr(self, group).items():
                    stream = io.BytesIO()
                    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
                    archive.writestr(f"{group}/{name}", stream.getvalue())
        write_durably(path, buffer.getvalue())


def read_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """Return the checkpoint at `path` if it belongs to the training with `fingerprint`, else
    `None`.
    """
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(archive.read(_STATE))
            groups: dict[str, dict[str, NDArray[Any]]] = {
                "variables": {},
                "optimizer": {},
                "best": {},
            }
            for name in archive.namelist():
                group, _, key = name.partition("/")
                if group in groups:
                    groups[group][key] = np.lib.format.read_array(
                        io.BytesIO(archive.read(name)), allow_pickle=False
                    )
        found = Checkpoint(
            record["fingerprint"], tuple(Epoch(**epoch) for epoch in record["curve"]), **groups
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        _LOG.warning(
            "The checkpoint %s cannot be read (%s): training begins anew.", path.name, error
        )
        return None
    if found.fingerprint != fingerprint:
        _LOG.warning(
            "The checkpoint %s is of other data or settings: training begins anew.", path.name
        )
        return None
    return found


def values_of(variables: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Copy Keras variables, by position."""
    return {
        f"{position:04d}": np.array(np.asarray(variable))
        for position, variable in enumerate(variables)
    }


def assign(variables: Sequence[Any], values: Arrays) -> None:
    """Put values from `values_of` back."""
    for position, variable in enumerate(variables):
        variable.assign(values[f"{position:04d}"])
