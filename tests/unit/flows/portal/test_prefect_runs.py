"""Runs are asked of a server that answers, with its password, and nobody waits for one that does
not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from flows.portal.prefect_runs import Run, browser_address, runs_of
from flows.settings import Settings

RUN = {
    "id": "11111111-0000-0000-0000-000000000000",
    "name": "north · pat",
    "parameters": {"study_key": "abc"},
    "state_name": "Scored",
    "start_time": "2026-01-01T12:30:45.000000Z",
    "state": {"message": "high risk"},
}


@contextmanager
def _server(answer: bytes) -> Iterator[tuple[str, list[tuple[str, str | None, Any]]]]:
    asked: list[tuple[str, str | None, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _settings(url: str, **portal: str) -> Settings:
    return Settings.model_validate({"prefect": {"api_url": url}, "portal": portal})


def test_the_runs_of_a_study_are_found_by_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    others = [
        {"id": "2", "name": "abc", "parameters": {"study_key": "north · abc"}},
        {"id": "3", "name": "north · pat", "parameters": {"study_key": "another study"}},
        {"id": "4", "name": "north · pat", "parameters": {}},
    ]
    with _server(json.dumps([RUN, *others]).encode()) as (url, asked):
        found = runs_of(_settings(url), "north", "pat", "abc")
    assert found == [
        Run(RUN["id"], "north · pat", "Scored", "high risk", "2026-01-01 12:30"),  # type: ignore[arg-type]
        Run("2", "abc", "?", "", ""),
    ]
    ((path, password, body),) = asked
    assert (path, password) == ("/api/flow_runs/filter", "Basic YWRtaW46c2VjcmV0")
    assert body["flow_runs"] == {"name": {"any_": ["abc", "pat", "north · pat"]}}


def test_an_answer_that_is_none_is_none() -> None:
    with _server(b"<html>") as (url, _):
        assert runs_of(_settings(url), "north", "pat", "abc") is None
    assert runs_of(_settings(url), "north", "pat", "abc") is None


def test_a_browser_may_reach_the_ui_elsewhere() -> None:
    assert browser_address(_settings("http://prefect:4200/api")) == "http://prefect:4200"
    elsewhere = _settings("http://prefect:4200/api", prefect_url="https://prefect.example/")
    assert browser_address(elsewhere) == "https://prefect.example"
