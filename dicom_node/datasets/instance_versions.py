"""How the files of one instance's contents are called: ``KEY.dcm`` is the first, ``KEY~1.dcm`` the
next that took its place.
"""

from __future__ import annotations

from typing import Final

_MARK: Final = "~"


def file_name(instance_key: str, version: int) -> str:
    """Return the name of the file of a content."""
    return f"{instance_key}{_MARK}{version}.dcm" if version else f"{instance_key}.dcm"


def version_of(path: str) -> int:
    """Return which content of its instance a file is: 0 is the first."""
    number = _stem(path).partition(_MARK)[2]
    return int(number) if number.isdecimal() else 0


def key_of(path: str) -> str:
    """Return the instance's pseudonym of which a file is one content."""
    return _stem(path).partition(_MARK)[0]


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name
