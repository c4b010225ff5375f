"""What the tests of the listening AE share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dicom_node.center import Center
from dicom_node.scp.listener import Receiver, ReceiverSettings
from tests.support.intake_bench import Bench, center

SETTINGS = ReceiverSettings(
    "ANNULUS", "127.0.0.1", 0, 4, network_timeout_s=20.0, request_timeout_s=5.0
)

Start = Callable[..., Receiver]


@pytest.fixture
def start(bench: Bench) -> Iterator[Start]:
    """Start receivers on one archive."""
    started: list[Receiver] = []

    def make(
        *centers: Center,
        services: Any = None,
        tls: Any = None,
        **timeouts_s: Any,
    ) -> Receiver:
        settings = replace(SETTINGS, **timeouts_s)
        known = centers or (center("alpha"),)
        receiver = Receiver(
            settings, known, services or bench.services, bench.registry.incidents, tls
        )
        receiver.start()
        started.append(receiver)
        return receiver

    yield make
    for one in started:
        one.stop(drain_s=0.0)
