"""What the tests of the listening AE share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dicom_node.center import Center
from dicom_node.scp.listener import Listener, ListenerSettings
from tests.support.intake_bench import Bench, center

SETTINGS = ListenerSettings(
    "ANNULUS", "127.0.0.1", 0, 4, network_timeout_s=20.0, request_timeout_s=5.0
)

Start = Callable[..., Listener]


@pytest.fixture
def start(bench: Bench) -> Iterator[Start]:
    """Start receivers on one archive."""
    started: list[Listener] = []

    def make(
        *centers: Center,
        services: Any = None,
        tls: Any = None,
        **timeouts_s: Any,
    ) -> Listener:
        settings = replace(SETTINGS, **timeouts_s)
        known = centers or (center("alpha"),)
        listener = Listener(settings, known, services or bench.services, bench.intake.notes, tls)
        listener.start()
        started.append(listener)
        return listener

    yield make
    for one in started:
        one.stop(drain_s=0.0)
