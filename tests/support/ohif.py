"""The viewer OHIF from its static files, in front of an Orthanc with DICOMweb: one origin, as a
hospital's reverse proxy gives it.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CONFIGURATION = """
window.config = {
  routerBasename: '/', extensions: [], modes: [], showStudyList: true,
  maxNumberOfWebWorkers: 2, showLoadingIndicator: true, investigationalUseDialog: {option: 'never'},
  defaultDataSourceName: 'orthanc',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'orthanc',
    configuration: {
      friendlyName: 'Orthanc', name: 'orthanc', wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', qidoSupportsIncludeField: false, imageRendering: 'wadors',
      thumbnailRendering: 'wadors', enableStudyLazyLoad: true, supportsFuzzyMatching: false,
      supportsWildcard: true, dicomUploadEnabled: false,
      bulkDataURI: {enabled: true, relativeResolution: 'studies'},
    },
  }],
};
"""


@contextmanager
def served_viewer(static_files: Path, orthanc_url: str) -> Iterator[str]:
    """Serve the viewer on a free port, and what it asks of ``/dicom-web`` from Orthanc.

    Parameters
    ----------
    static_files : Path
        The folder ``dist`` of npm's ``@ohif/app``.
    orthanc_url : str
        An Orthanc with its DICOMweb plugin.

    Yields
    ------
    str
        The viewer's address.
    """
    handler = type("Handler", (_Handler,), {"root": static_files, "orthanc": orthanc_url})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    root: Path
    orthanc: str

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(self.root))

    def do_GET(self) -> None:
        """Answer with the configuration, from Orthanc, with a file, or with the page."""
        path = self.path.split("?", 1)[0]
        if path == "/app-config.js":
            self._answer(200, "text/javascript", CONFIGURATION.encode())
        elif path.startswith("/dicom-web"):
            self._ask_orthanc()
        else:
            if not (self.root / path.lstrip("/")).is_file():
                self.path = "/index.html"  # the viewer's own addresses
            super().do_GET()

    def _ask_orthanc(self) -> None:
        # The plugin writes the addresses that it returns by what it is asked as.
        headers = {"Accept": self.headers.get("Accept", "*/*"), "Host": self.headers["Host"]}
        try:
            with urlopen(Request(self.orthanc + self.path, headers=headers), timeout=60) as answer:
                self._answer(answer.status, answer.headers["Content-Type"], answer.read())
        except HTTPError as error:
            self._answer(error.code, "text/plain", error.read())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
