"""The two files of an installation that `make up` makes when they are not there: settings and
secrets.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from dicom_node.durable_files import write_durably
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE

EXAMPLE = Path(__file__).resolve().parent.parent / "settings.example.toml"
AUTH_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"


def ensure_settings(settings: Path) -> bool:
    """Copy the example to where the settings are expected; say whether that was needed."""
    return _made(settings, EXAMPLE.read_bytes(), mode=0o666)


def ensure_secrets(file: Path, environment: Mapping[str, str]) -> bool:
    """Write a file with a new pseudonym key unless there is one or the environment has a key; say
    whether it was made.

    The file is readable by its owner only.
    """
    if PSEUDONYM_KEY_VARIABLE in environment:
        return False
    text = (
        "# Secrets of this installation. Back this file up with the archive: every pseudonym "
        f"depends on the key.\n{PSEUDONYM_KEY_VARIABLE}={secrets.token_hex(32)}\n# With this the "
        f"Prefect API and its UI ask for a password:\n# {AUTH_VARIABLE}=admin:choose-one\n"
    )
    return _made(file, text.encode(), mode=0o600)


def _made(file: Path, content: bytes, mode: int) -> bool:
    """Make a file unless it is there; say whether it was made."""
    if file.exists():
        return False
    try:
        write_durably(file, content, mode=mode, new=True)
    except FileExistsError:
        return False
    return True
