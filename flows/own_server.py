"""The Prefect server of an installation: the settings say which, not the shell.

Prefect reads its own variables when it is imported; so these are set before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from dicom_node.settings.environment import ENTERED_VARIABLE, enter
from flows.settings import Settings, reachable_host

API_URL: Final = "PREFECT_API_URL"
SERVER_AUTH: Final = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_AUTH: Final = "PREFECT_API_AUTH_STRING"
OF_THE_SHELL: Final = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH")
"""Variables that would choose another server behind the settings' back."""
CHANGED: Final = (
    "{} has changed since the system was started, which keeps what it was started with: make down "
    "and make up"
)
"""Said to whoever changes the settings of a system that runs."""
_ANSWERS_WITHIN_S = 3.0
_ASKS_FOR_A_PASSWORD = (401, 403)


def own_api_url(settings: Settings) -> str:
    """Return the address of the API of the server that `make up` starts."""
    system = settings.system
    return f"http://{reachable_host(system.host)}:{system.prefect_port}/api"


def api_url(settings: Settings) -> str:
    """Return the address of the API of the server that this installation uses."""
    return settings.prefect.api_url or own_api_url(settings)


def prefect_home(settings: Settings) -> Path:
    """Return the folder in which Prefect keeps what is this installation's alone."""
    return settings.node.folder / "system" / "prefect"


def prefect_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Prefect finds this installation's server and no other.

    Parameters
    ----------
    settings : Settings
        The settings.
    environment : mapping of str to str
        What is there, secrets among it.
    """
    found = {name: value for name, value in environment.items() if name not in OF_THE_SHELL}
    if SERVER_AUTH in found:
        found.setdefault(CLIENT_AUTH, found[SERVER_AUTH])
    if not _has_home(found):
        found["HOME"] = str(settings.node.folder.absolute() / "system")
    return {
        **found,
        API_URL: api_url(settings),
        "PREFECT_HOME": str(prefect_home(settings)),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS": "flows.runs.console.Console",
    }


def _has_home(environment: Mapping[str, str]) -> bool:
    """Say whether a home is known, without which Prefect cannot even be imported: it is not where
    HOME is unset and the user has no entry.
    """
    if "HOME" in environment:
        return True
    try:
        return bool(Path.home())
    except RuntimeError:
        return False


def has_same_text(file: Path, started_with: Path) -> bool:
    """Say whether a settings file is still what the running system was started with."""
    try:
        return file.read_bytes() == started_with.read_bytes()
    except OSError:
        return True


def enter_installation(path: Path | None = None) -> None:
    """Give this process the environment of an installation, before it imports Prefect; an address
    of the shell that is not used is said in one line on standard error.

    Raises
    ------
    SettingsError
        If the settings, or the secrets beside them, cannot be used.
    """
    was_entered = ENTERED_VARIABLE in os.environ
    file = enter(path)
    shell = os.environ.pop(API_URL, None)
    for name in OF_THE_SHELL:
        os.environ.pop(name, None)
    settings = Settings.load(file)
    if shell is not None and shell != api_url(settings) and not was_entered:
        print(
            f"{API_URL} of this shell is not used: the settings say {api_url(settings)} (api_url "
            "in [prefect] names another server).",
            file=sys.stderr,
        )
    started_with = settings.node.folder / "system" / "settings.toml"
    if file is not None and not has_same_text(file, started_with):
        print(CHANGED.format(file.name), file=sys.stderr)
    found = prefect_environment(settings, os.environ)
    if settings.node.folder.exists():
        with suppress(OSError):  # somebody else's folder can still be read
            prefect_home(settings).mkdir(parents=True, exist_ok=True)
    else:  # it was never up, and nothing but make up makes it
        del found["PREFECT_HOME"]
    os.environ.pop("PREFECT_HOME", None)
    os.environ.update(found)
    if "prefect" in sys.modules:  # a cron expression of the settings needed it
        from prefect.context import refresh_global_settings_context  # noqa: PLC0415

        refresh_global_settings_context()


def why_no_server() -> str | None:
    """Ask the server that Prefect would call whether it is there; return a sentence where nothing
    answers within seconds.
    """
    from prefect.settings import get_current_settings  # noqa: PLC0415 - takes seconds

    url = get_current_settings().api.url or os.environ.get(API_URL, "")
    if answers(url):
        return None
    return (
        f"No Prefect server answers at {url.removesuffix('/api')}: make up starts it, make status "
        "says what runs."
    )


def answers(url: str) -> bool:
    """Say whether a Prefect API answers at an address within seconds."""
    try:
        # An address that the settings name
        with urlopen(f"{url}/health", timeout=_ANSWERS_WITHIN_S):  # noqa: S310
            return True
    except HTTPError as error:
        return error.code in _ASKS_FOR_A_PASSWORD
    except (URLError, OSError, ValueError):
        return False
