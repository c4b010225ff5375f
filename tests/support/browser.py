"""A headless Chromium that loads a page, waits until its script has drawn something, and takes its
picture.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.support.waiting import wait_until
from tests.support.web import answers

WINDOW = "1280,1600"
_KEYS = {"Tab": 9, "Enter": 13, "ArrowDown": 40}
"""Keys that tests press, by their virtual key codes."""


class Page:
    """One tab, spoken to over the DevTools protocol.

    Parameters
    ----------
    connection : Connection
        To the tab.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = 0
        self.hosts: set[str] = set()
        """Hosts, with their ports, of all requests that the page made."""
        self._call("Network.enable")

    def open(self, url: str, until: str, timeout_s: float = 60.0) -> None:
        """Load a page and wait until a JavaScript expression is true in it."""
        self._call("Page.navigate", url=url)
        wait_until(
            lambda: bool(self.value(f"Boolean({until})")),
            timeout_s,
            f"{until} at {url}",
            evidence=self.text,
        )

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def awaited(self, expression: str) -> Any:
        """Return what the promise of a JavaScript expression is kept with."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self) -> str:
        """Return what the page shows as text."""
        return str(self.value("document.body ? document.body.innerText : ''"))

    def press(self, key: str, times: int = 1) -> None:
        """Press a key: Tab, Enter, or one that scrolls."""
        code = _KEYS[key]
        for _ in range(times):
            text = {"text": "\r"} if key == "Enter" else {}
            for kind in ("keyDown", "keyUp"):
                self._call(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key=key,
                    code=key,
                    windowsVirtualKeyCode=code,
                    **(text if kind == "keyDown" else {}),
                )

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        self._call("Input.insertText", text=text)

    def tab_to(self, expression: str, most: int = 100) -> None:
        """Press Tab until a JavaScript expression is true of the focused element, called `at`."""
        for _ in range(most):
            self.press("Tab")
            if self.value(f"(at => Boolean({expression}))(document.activeElement)"):
                return
        raise AssertionError(f"{expression} gets no focus by {most} tabs: {self.text()[:500]}")

    def as_device(self, width: int, height: int, *, dark: bool = False) -> None:
        """Show pages as a window of this size does, in light or dark."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def as_sheet(self) -> int:
        """Show pages as they are laid out on A4, and return the width of what is printed on it."""
        width = 718
        self.as_device(width, 1016)
        self._call("Emulation.setEmulatedMedia", media="print")
        return width

    def picture(self, path: Path) -> None:
        """Write what the page shows as PNG, once its fading has ended."""
        time.sleep(1.0)
        path.write_bytes(
            base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        )

    def _asked(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in {"http", "https", "ws", "wss"}:
            self.hosts.add(address.netloc)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._connection.send(
            json.dumps({"id": self._number, "method": method, "params": parameters})
        )
        while True:
            answer = json.loads(self._connection.recv(timeout=30))
            if answer.get("method") == "Network.requestWillBeSent":
                self._asked(answer["params"]["request"]["url"])
            elif answer.get("method") == "Network.webSocketCreated":
                self._asked(answer["params"]["url"])
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def chromium(
    program: str, profile: Path, port: int, graphics: Sequence[str] = ("--disable-gpu",)
) -> Iterator[Page]:
    """Run Chromium with a profile of its own on a free port."""
    command = [
        program,
        "--headless",
        "--no-sandbox",
        *graphics,
        "--hide-scrollbars",
        f"--window-size={WINDOW}",
        f"--user-data-dir={profile}",
        f"--remote-debugging-port={port}",
        "--no-first-run",
        "--disable-background-networking",
        "--remote-allow-origins=*",
        "about:blank",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_tab(f"http://127.0.0.1:{port}"), max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(30)


def _tab(url: str) -> str:
    """Return the address of a new tab, once the browser answers."""
    wait_until(lambda: answers(f"{url}/json/version"), 60, "Chromium answers")
    with urlopen(Request(f"{url}/json/new?about:blank", method="PUT"), timeout=5) as answer:
        return str(json.loads(answer.read())["webSocketDebuggerUrl"])
