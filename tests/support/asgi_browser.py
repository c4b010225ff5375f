"""A browser without a network: asks an ASGI application, keeps its cookies, and follows no
redirection by itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import httpx

BASE = "http://portal.example"


class AsgiBrowser:
    """Asks an application as from an address.

    Parameters
    ----------
    application : ASGI application
        What answers.
    address : str
        Where the requests seem to come from.
    """

    def __init__(self, application: Any, address: str = "192.0.2.7") -> None:
        self._application = application
        self._address = address
        self._cookies = httpx.Cookies()

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask for a page."""
        return anyio.run(partial(self._ask, "GET", path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        """Send a form."""
        return anyio.run(partial(self._ask, "POST", path, **more))

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._application, client=(self._address, 5000))
        async with httpx.AsyncClient(
            transport=transport, base_url=BASE, cookies=self._cookies
        ) as client:
            answer = await client.request(method, path, **more)
            self._cookies = client.cookies
        return answer
