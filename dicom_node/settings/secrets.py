"""Secrets of an installation: the file beside its settings, the pseudonym key, the tokens of
STOW-RS.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dicom_node.center import Center
from dicom_node.settings.settings_file import SettingsError, read_text
from dicom_node.wording import counted

SECRETS_NAME: Final = "annulus.env"
"""The file beside the settings."""
PSEUDONYM_KEY_VARIABLE: Final = "ANNULUS_PSEUDONYM_KEY"
TOKEN_VARIABLE_PREFIX: Final = "ANNULUS_STOW_TOKEN_"  # noqa: S105 - a variable's name, no token
_MINIMUM_KEY_BYTES = 16
_MINIMUM_TOKEN_CHARACTERS = 24
_QUOTES = "\"'"


def read_secrets(file: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, as systemd's EnvironmentFile takes them; empty when there is no
    file.

    Raises
    ------
    SettingsError
        If everybody on the machine may read or change the file, it cannot be read, or a line is
        neither that, nor empty, nor a comment.
    """
    if not file.exists():
        return {}
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise SettingsError(
            f"The secrets file {file} has mode {mode:04o}, so that others than its owner and group "
            f"may read it, or others than its owner change it: chmod 0600 {file} (or 0640)."
        )
    found: dict[str, str] = {}
    for number, line in enumerate(read_text(file, "secrets file").splitlines(), start=1):
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.isidentifier():
            raise SettingsError(
                f"Line {number} of {file} cannot be read: expected NAME=value or a comment (#)."
            )
        if name in found:
            raise SettingsError(
                f"Line {number} of {file} gives {name} a second time: keep one of the two."
            )
        if value[:1] and value[0] in _QUOTES:
            if len(value) < 2 or value[-1] != value[0]:
                raise SettingsError(
                    f"Line {number} of {file} opens a quote that it does not close: {name} goes in "
                    "one pair of quotes, or in none."
                )
            value = value[1:-1]
        found[name] = value
    return found


def pseudonym_key() -> bytes:
    """Return the key of the pseudonyms from ``ANNULUS_PSEUDONYM_KEY``.

    Raises
    ------
    SettingsError
        If the variable is missing or shorter than 16 bytes.
    """
    key = os.environ.get(PSEUDONYM_KEY_VARIABLE, "").encode()
    if len(key) < _MINIMUM_KEY_BYTES:
        raise SettingsError(
            f"{PSEUDONYM_KEY_VARIABLE} holds {counted(len(key), 'byte')}, expected at least "
            f"{_MINIMUM_KEY_BYTES}: set it, in annulus.env beside the settings or in the "
            "environment, to a long random text that stays the same for the life of the archive "
            "(openssl rand -hex 32)."
        )
    return key


def token_variable(center: str) -> str:
    """Return the environment variable that holds a centre's bearer token: ``ANNULUS_STOW_TOKEN_``
    and its name.

    Parameters
    ----------
    center : str
        The centre's name; small letters become capitals, ``-`` becomes ``_``.
    """
    return TOKEN_VARIABLE_PREFIX + center.upper().replace("-", "_")


def stow_tokens(centers: Iterable[Center]) -> dict[str, str]:
    """Return the bearer tokens of the centres that have one, by the centre's name.

    Raises
    ------
    SettingsError
        If a token is short, or two centres would have the same one.
    """
    tokens: dict[str, str] = {}
    for center in centers:
        variable = token_variable(center.name)
        token = os.environ.get(variable)
        if token is None:
            continue
        if (
            len(token) < _MINIMUM_TOKEN_CHARACTERS
            or not token.isascii()
            or not token.isprintable()
            or " " in token
        ):
            raise SettingsError(
                f"{variable} holds {counted(len(token), 'character')}, expected at least "
                f"{_MINIMUM_TOKEN_CHARACTERS} letters and digits: set it to a long random text "
                "(openssl rand -hex 32)."
            )
        if token in tokens.values():
            raise SettingsError(
                f"{variable} holds another centre's token: give each centre one of its own."
            )
        tokens[center.name] = token
    return tokens
