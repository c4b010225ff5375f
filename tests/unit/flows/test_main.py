"""The command line: what the README shows exists, and what cannot be done is said in a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

DOCUMENTED = sorted(
    set(
        re.findall(
            r"python -m (flows|dicom_node|models) ([a-z-]+)", (ROOT / "README.md").read_text()
        )
    )
    | {("flows", "dispatch")}
)


def _run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(("module", "command"), DOCUMENTED)
def test_every_documented_command_exists(module: str, command: str) -> None:
    done = _run(module, command, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_unusable_settings_are_one_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "annulus.toml"
    settings.write_text("[node]\nprot = 104\n")
    done = _run("flows", "--settings", str(settings), "dispatch")
    assert done.returncode == 2
    assert "node.prot" in done.stderr
    assert "Traceback" not in done.stderr
