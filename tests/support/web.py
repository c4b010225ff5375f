"""Questions to the HTTP servers of the loopback address that tests start."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.request import Request, urlopen


def ask(url: str, body: object | None = None, password: str | None = None) -> Any:
    """Return the JSON answer of a loopback server; a body makes it a POST, ``user:password`` is
    given if there is.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if password is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    with urlopen(Request(url, data=data, headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


def answers(url: str) -> bool:
    """Say whether a server answers there."""
    try:
        with urlopen(url, timeout=5):
            return True
    except OSError:
        return False
