"""The two files of an installation that `make up` makes when they are not there: settings and
secrets.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SettingsError

EXAMPLE = Path(__file__).resolve().parent.parent / "settings.example.toml"
SECRETS_NAME = "annulus.env"
AUTH_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"


def ensure_settings(settings: Path) -> bool:
    """Copy the example to where the settings are expected; say whether that was needed."""
    if settings.exists():
        return False
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return True


def ensure_secrets(file: Path, environment: Mapping[str, str]) -> bool:
    """Write a file with a new pseudonym key unless there is one or the environment has a key; say
    whether it was made.

    The file is readable by its owner only.
    """
    if file.exists() or PSEUDONYM_KEY_VARIABLE in environment:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    text = (
        "# Secrets of this installation. Back this file up with the archive: every pseudonym "
        f"hangs on the key.\n{PSEUDONYM_KEY_VARIABLE}={secrets.token_hex(32)}\n# With this the "
        f"Prefect API and its UI ask for a password:\n# {AUTH_VARIABLE}=admin:choose-one\n"
    )
    with os.fdopen(
        os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
    ) as opened:
        opened.write(text)
    return True


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
