"""The two files of an installation that `make up` makes when they are not there: settings and
secrets.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from dicom_node.durable_files import write_durably
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SettingsError

EXAMPLE = Path(__file__).resolve().parent.parent / "settings.example.toml"
SECRETS_NAME = "annulus.env"
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
        f"hangs on the key.\n{PSEUDONYM_KEY_VARIABLE}={secrets.token_hex(32)}\n# With this the "
        f"Prefect API and its UI ask for a password:\n# {AUTH_VARIABLE}=admin:choose-one\n"
    )
    return _made(file, text.encode(), mode=0o600)


def read_secrets(file: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, as systemd's EnvironmentFile takes them; empty when there is no
    file.

    Raises
    ------
    SettingsError
        If a line is neither that, nor empty, nor a comment.
    """
    if not file.exists():
        return {}
    found = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(
                f"line {number} of {file} cannot be read: expected NAME=value or a comment (#)"
            )
        found[name.strip()] = value.strip()
    return found


def _made(file: Path, content: bytes, mode: int) -> bool:
    """Make a file unless it is there; say whether it was made."""
    if file.exists():
        return False
    try:
        write_durably(file, content, mode=mode, new=True)
    except FileExistsError:
        return False
    return True
