"""A notifier as a process of its own, which can be killed at any moment and started again at once:
the libraries are loaded once, in the process from which all are forked.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from prefect.context import refresh_global_settings_context

from flows.installation import Installation
from flows.notices.notifier import Notifier
from flows.settings import Settings

_PRELOADED = ["tests.support.notifying"]


def notify_for_ever(
    settings: str, secrets: Mapping[str, str], environment: Mapping[str, str]
) -> None:
    """Notify until killed."""
    os.environ.update(environment)
    refresh_global_settings_context()
    work = Installation(Settings.load(Path(settings)))
    Notifier(work, secrets).run(threading.Event())


def start_notifier(
    settings: Path, secrets: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> BaseProcess:
    """Start a notifier of an installation, with the secrets that its sinks need and more of an
    environment.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(
        target=notify_for_ever,
        args=(str(settings), dict(secrets), dict(environment or {})),
        daemon=True,
    )
    process.start()
    return process
