"""One way to find an installation: its settings file, and its secrets beside it, as environment of
this process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from dicom_node.settings.node_settings import overriding_variables
from dicom_node.settings.secrets import SECRETS_NAME, read_secrets
from dicom_node.settings.settings_file import SETTINGS_VARIABLE, settings_file

ENTERED_VARIABLE: Final = "ANNULUS_INSTALLATION"
"""Holds the settings file of the installation whose environment a process already has from the one
that started it."""


def enter(path: Path | None = None) -> Path | None:
    """Give this process the secrets of an installation, and say in one line on standard error what
    its environment had otherwise.

    Parameters
    ----------
    path : Path, optional
        The settings file; by default the one that ``ANNULUS_SETTINGS`` names, else ``annulus.toml``
        if it exists.

    Returns
    -------
    Path or None
        The settings file, absolute; `None` when there is none.

    Raises
    ------
    SettingsError
        If the file of secrets cannot be used.
    """
    found = settings_file(path)
    if found is None:
        return None
    file = found.absolute()
    if os.environ.get(ENTERED_VARIABLE) == str(file):
        return file
    secrets = read_secrets(file.with_name(SECRETS_NAME))
    otherwise = [name for name in secrets if os.environ.get(name, secrets[name]) != secrets[name]]
    if names := [*overriding_variables(), *otherwise]:
        print(
            f"Taken from the environment, not from {file.name} and {SECRETS_NAME}: "
            f"{', '.join(names)}.",
            file=sys.stderr,
        )
    os.environ.update({**secrets, **os.environ})
    os.environ[SETTINGS_VARIABLE] = os.environ[ENTERED_VARIABLE] = str(file)
    return file
