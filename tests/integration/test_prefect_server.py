"""Prefect's server as this system starts it: leases outlive it, and its pages ask no other host."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from deploy.local.processes import LocalSystem, free_port
from tests.support.browser import chromium
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(600)]

BUSY = 503
SCREENSHOTS = os.environ.get("ANNULUS_SCREENSHOTS")
"""Folder in which the pictures of the UI are left for people to look at."""


class PrefectServer(LocalSystem):
    """Prefect's server, which can be ended and started again."""

    def again(self, number: signal.Signals) -> None:
        """End the server by a signal and start it anew."""
        process = self._parts.pop("prefect")
        process.send_signal(number)
        process.wait(60)
        self.start_prefect_server()
        self.wait_for_prefect()

    def asked(self, path: str, body: object) -> Any:
        """Return what the API answers, asked again while it is busy with its start, as Prefect's
        own client does.
        """
        for _ in range(60):
            try:
                return ask(f"{self.prefect_url}/api/{path}", body)
            except HTTPError as error:
                if error.code != BUSY:
                    raise
            time.sleep(0.5)
        return ask(f"{self.prefect_url}/api/{path}", body)

    def renewed(self, lease: str) -> int:
        """Renew a lease as a run does that lives; return the status of the answer, which is 503
        as long as the server is busy with its start.
        """
        url = f"{self.prefect_url}/api/v2/concurrency_limits/leases/{lease}/renew"
        headers = {"Content-Type": "application/json"}
        try:
            with urlopen(Request(url, b'{"lease_duration": 300}', headers), timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            if error.code != BUSY:
                raise
            return error.code


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer(tmp_path_factory.mktemp("prefect"), {}) as system:
        system.start_prefect_server()
        system.wait_for_prefect()
        yield system


def test_the_lease_of_a_run_outlives_the_server(server: PrefectServer) -> None:
    server.asked("v2/concurrency_limits/", {"name": "validation", "limit": 1})
    wanted = {"names": ["validation"], "slots": 1, "mode": "concurrency", "lease_duration": 300}
    lease = server.asked("v2/concurrency_limits/increment-with-lease", wanted)["lease_id"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        server.again(number)
        wait_until(lambda: server.renewed(lease) < 300, 60, "the lease is renewed")


def test_runs_that_wait_for_their_deployment_are_served_in_order(server: PrefectServer) -> None:
    flow = server.asked("flows/", {"name": "slow"})["id"]
    wanted = {"name": "one-at-a-time", "flow_id": flow, "concurrency_limit": 1}
    deployment = server.asked("deployments/", wanted)["id"]
    first, second, third = (
        server.asked(f"deployments/{deployment}/create_flow_run", {})["id"] for _ in range(3)
    )

    def begins(run: str) -> bool:
        asked = {"state": {"type": "PENDING"}, "force": False}
        return bool(server.asked(f"flow_runs/{run}/set_state", asked)["status"] == "ACCEPT")

    assert begins(first)
    assert not begins(second)
    assert not begins(third)
    ended = {"state": {"type": "COMPLETED"}, "force": True}
    server.asked(f"flow_runs/{first}/set_state", ended)
    assert not begins(third)
    assert begins(second)
    server.asked(f"flow_runs/{second}/set_state", ended)
    assert begins(third)


def test_no_page_of_the_ui_asks_another_host(
    server: PrefectServer, peer: Callable[[str], str], tmp_path: Path
) -> None:
    assert ask(f"{server.prefect_url}/ui-settings")["available_uis"] == ["v1"]
    with chromium(peer("chromium"), tmp_path / "profile", free_port()) as page:
        page.open(server.prefect_url, "document.querySelectorAll('a[href]').length > 8")
        every = page.value("[...document.querySelectorAll('a[href]')].map(one => one.href)")
        links = sorted({link for link in every if link.startswith(server.prefect_url)})
        assert len(links) > 8
        for link in links:
            page.open(link, "document.body.innerText.length > 120")
            page.value("[...document.querySelectorAll('main button')].forEach(one => one.click())")
            page.picture(_pictures(tmp_path) / f"ui{urlsplit(link).path.replace('/', '-')}.png")
        page.open(f"{server.prefect_url}/v2/dashboard", "document.body !== null")
    assert page.hosts == {urlsplit(server.prefect_url).netloc}


def _pictures(folder: Path) -> Path:
    found = Path(SCREENSHOTS) if SCREENSHOTS else folder / "pictures"
    found.mkdir(exist_ok=True)
    return found
