"""axe-core, which finds what keeps people with a screen reader, a keyboard or weak eyes from using
a page; it is had from npm when a test asks for it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from tests.support.absence import absent
from tests.support.browser import Page

VERSION = "4.14.1"
GRAVE = ("serious", "critical")
"""Impacts of findings that no page may have."""
_RUN = """axe.run(document, {resultTypes: ['violations']})
    .then(found => JSON.stringify(found.violations))"""


def axe_source(folder: Path) -> str:
    """Return axe-core's script, fetched into a folder."""
    npm = shutil.which("npm")
    if npm is None:
        absent("npm is not installed (apt-get install npm)", "ANNULUS_REQUIRE_PEERS")
    command = [npm, "pack", f"axe-core@{VERSION}", "--silent"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        absent(f"npm does not give axe-core {VERSION}", "ANNULUS_REQUIRE_PEERS")
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as packed:
        script = packed.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def findings(page: Page, source: str) -> list[dict[str, Any]]:
    """Return what axe-core finds on the page that is shown: each rule, its impact, and where."""
    page.value(f"{source}; true")
    found: list[dict[str, Any]] = json.loads(page.awaited(_RUN))
    return [
        {
            "rule": one["id"],
            "impact": one["impact"],
            "where": [node["html"][:200] for node in one["nodes"]],
            "why": [node["failureSummary"][:300] for node in one["nodes"]][:2],
        }
        for one in found
    ]
