"""Which blocks a bundle reads, without the libraries and the checks that scoring needs."""

from __future__ import annotations

import json
from pathlib import Path

_MODEL = "model.json"


def blocks_read(folder: Path) -> tuple[str, ...]:
    """Return the blocks of a bundle's signatures, such as ``gtv`` and ``ring_6mm``; none where the
    folder holds no bundle that can be read, which who scores with it will say.

    Parameters
    ----------
    folder : Path
        The bundle.
    """
    try:
        model = json.loads((folder / _MODEL).read_bytes())
        return tuple(str(signature["block"]) for signature in model["signatures"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
