"""UIDs of made objects: derived from what they say, so that the same findings have the same UID."""

from __future__ import annotations

import re
import uuid

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")


_NAMESPACE = uuid.UUID("8d0c7b0a-5f0e-5c4e-9a35-2a1c3f6f7b11")


def derived_uid(*parts: str) -> str:
    """Derive a UID from text: the same parts always give the same UID (PS3.5 section B.2, root
    2.25).

    Parameters
    ----------
    *parts : str
        What the object is made of, for example the study content's digest, the model digest and
        ``"report"``.

    Returns
    -------
    str
        ``2.25.`` followed by a name-based UUID as a decimal number, at most 44 characters.
    """
    name = "".join(f"{len(part)}:{part}" for part in parts)
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"


def is_uid(value: str) -> bool:
    """Say whether `value` is a UID (PS3.5 section 9.1)."""
    return len(value) <= 64 and _UID.fullmatch(value) is not None
