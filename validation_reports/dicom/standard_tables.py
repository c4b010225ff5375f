"""What each module of the standard holds, as highdicom lists it, read module by module.

highdicom reads its whole list, 22 MB of JSON, and keeps 110 MB of objects. What is made here asks
for a twentieth of it.
"""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import highdicom
from highdicom import _standard_utils

_READER = "get_module_attribute_map"
_FILE = Path("_standard", "module_attribute_map.json")
_OPENED, _KEY = b'{\n  "', b'\n  "'


class ModuleAttributes(Mapping[str, list[Any]]):
    """The attributes of every module by its key, ``ct-image``; those of a module are read when they
    are asked for first, and kept.

    Parameters
    ----------
    path : Path
        A JSON object of lists, indented by two.

    Raises
    ------
    ValueError
        If the file is laid out in another way.
    """

    def __init__(self, path: Path) -> None:
        # mapped, so that it stays what it is when somebody installs another version meanwhile
        with path.open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._text[: len(_OPENED)] != _OPENED:
            raise ValueError(f"{path.name} is no JSON object that is indented by two.")
        starts = list(_places(self._text, _KEY))
        ends = [*starts[1:], self._text.rfind(b"\n}")]
        self._parts: dict[str, tuple[int, int]] = {}
        for start, end in zip(starts, ends, strict=True):
            first = start + len(_KEY)
            self._parts[self._text[first : self._text.find(b'"', first)].decode()] = (start, end)
        self._read: dict[str, list[Any]] = {}
        self._text.madvise(mmap.MADV_DONTNEED)  # its pages stay with the system alone

    def __getitem__(self, module: str) -> list[Any]:
        if module not in self._read:
            start, end = self._parts[module]
            part = self._text[start:end].rstrip(b",")
            self._read[module] = json.loads(b"{" + part + b"}")[module]
        return self._read[module]

    def __contains__(self, module: object) -> bool:
        return module in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


@cache
def module_attributes() -> ModuleAttributes:
    """Return the list of the highdicom that is installed."""
    return ModuleAttributes(Path(highdicom.__file__).parent / _FILE)


def read_by_module() -> None:
    """Let highdicom look modules up here, in all that it makes and checks from now on; one whose
    list is kept in another way goes on as it is.
    """
    own = getattr(_standard_utils, _READER, None)
    try:
        module_attributes()
    except (OSError, ValueError):
        return
    for name, module in list(sys.modules.items()):
        if name.startswith("highdicom") and own and getattr(module, _READER, None) is own:
            setattr(module, _READER, module_attributes)


def _places(text: mmap.mmap, sought: bytes) -> Iterator[int]:
    place = text.find(sought)
    while place >= 0:
        yield place
        place = text.find(sought, place + 1)
