"""An S3-compatible server for the tests: moto's, in a process of its own, one request after the
other.

One at a time makes its conditional put (``If-None-Match: *``), on which Delta commits rest, as
atomic as a real one's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Self

from deploy.local.processes import free_port
from tests.support import ROOT
from tests.support.waiting import wait_until
from tests.support.web import answers


class ObjectStore:
    """A running server; its address and credentials are in the environment as long as the context
    lasts.
    """

    def __enter__(self) -> Self:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "tests.support.object_store", str(port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._made = 0
        self._before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        wait_until(lambda: answers(self.url), 60, "the object store answers", process=self._process)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    @property
    def environment(self) -> dict[str, str]:
        """What a client finds in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": "annulus",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def new_bucket(self) -> str:
        """Make an empty bucket, and return its URL."""
        self._made += 1
        name = f"bucket-{self._made}"
        self.put(f"/{name}", b"")
        return f"s3://{name}"

    def put(self, path: str, content: bytes, **headers: str) -> int:
        """Put an object or bucket; return the HTTP status."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = (
            "AWS4-HMAC-SHA256 Credential=annulus/20260101/us-east-1/s3/aws4_request"
        )
        request = urllib.request.Request(self.url + path, data=content, method="PUT", headers=named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)


def serve(port: int) -> None:
    """Serve until the process is ended."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    make_server(
        "127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=False
    ).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
