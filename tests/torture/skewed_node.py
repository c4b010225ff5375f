"""The node with a clock that a file moves: ``python -m tests.torture.skewed_node OFFSET_FILE
...``.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node import __main__ as node
from dicom_node import clock

_OFFSET = Path(sys.argv[1])


def _moved_clock() -> datetime:
    try:
        offset = float(_OFFSET.read_text() or 0)
    except (OSError, ValueError):  # not written yet, or being written
        offset = 0.0
    return datetime.now(UTC) + timedelta(seconds=offset)


if __name__ == "__main__":
    clock.utc_now = _moved_clock
    sys.exit(node.main(sys.argv[2:]))
