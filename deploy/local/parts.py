"""The parts of the system on one machine: what each is called, the command that starts it, and
what all are started with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local.supervisor import Part
from flows.commands.prefect_server import KEEP_DAYS

HEARTBEAT_S = 30
"""How often a run says that it lives: the automation that finds dead runs waits for three of these.
"""
DEFAULTS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""What every part is started with, unless the environment says otherwise."""


def caches(folder: Path) -> dict[str, str]:
    """Return where the libraries keep what they make once, for a user whose home or checkout is not
    writable.
    """
    return {
        "XDG_CACHE_HOME": str(folder),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "KERAS_HOME": str(folder / "keras"),
    }


SERVING = "deployments"
"""The part that serves the deployments."""
_MODULE = (sys.executable, "-m")

NODE = Part("node", (*_MODULE, "dicom_node"))
"""Receives, keeps and sends DICOM."""
DISPATCHER = Part("dispatcher", (*_MODULE, "flows", "dispatch"))
"""Scores what the node hands over, in warm processes."""


def prefect_server(host: str, port: int, keep_days: int = KEEP_DAYS) -> Part:
    """Return the Prefect server with its UI, which keeps ended runs for so many days."""
    options = ("--host", host, "--port", str(port), "--keep-days", str(keep_days))
    return Part("prefect", (*_MODULE, "flows", "prefect-server", *options))


def deployments(may_start: Callable[[], bool]) -> Part:
    """Return what serves the deployments, once the Prefect server answers."""
    return Part(SERVING, (*_MODULE, "flows", "serve"), may_start)


def portal(host: str, port: int) -> Part:
    """Return what shows studies, validations and reports to a browser."""
    return Part("portal", (*_MODULE, "flows", "portal", "--host", host, "--port", str(port)))
