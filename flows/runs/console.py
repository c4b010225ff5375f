"""The log of the processes that Prefect starts for runs, which set it up by themselves."""

from __future__ import annotations

from typing import Any

from prefect.logging.handlers import PrefectConsoleHandler

from flows.runs.outages import OutagesInOneLine


class Console(PrefectConsoleHandler):
    """Prefect's console, on which an outage is one line."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.addFilter(OutagesInOneLine())
