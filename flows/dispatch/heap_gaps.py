"""Room in the C library's heap for what the first study leaves behind.

A worker keeps one heap, and what a study has let go of for the next one
(`flows.dispatch.dispatcher.worker_environment`). The first study loads and keeps some 20 MB of
small things. Laid between its arrays, they would cut what those leave free into pieces, none of
which holds the next study's CT.
"""

from __future__ import annotations

from typing import Final

_GAP_BYTES: Final = 380 * 1024  # a slice of a CT, 512 KB, does not fit
_GAPS: Final = 80  # 30 MB, which are touched only when they are used
_PIN_BYTES: Final = 600  # more than Python's own small objects, which are kept elsewhere

_pins: list[bytearray] = []


def leave_gaps() -> None:
    """Leave gaps below all that comes later, too small for arrays of a study, once in a process.

    The peak of a worker over its studies is 60 MB lower with them (1170 and 1107 MB on a planning
    CT of 130 slices).
    """
    if _pins:
        return
    gaps = []
    for _ in range(_GAPS):
        gaps.append(bytearray(_GAP_BYTES))
        _pins.append(bytearray(_PIN_BYTES))
    gaps.clear()
