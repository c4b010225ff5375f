"""The command line: what the README shows exists, and what cannot be done is said in a sentence."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dicom_node.__main__
import flows.__main__
import models.__main__
from tests.support import ROOT

MAIN: dict[str, Callable[[list[str]], int]] = {
    "flows": flows.__main__.main,
    "dicom_node": dicom_node.__main__.main,
    "models": models.__main__.main,
}
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


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(MAIN))
def test_a_program_says_its_commands(module: str) -> None:
    done = _run(module, "--help")
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for program, command in DOCUMENTED if program == module)


@pytest.mark.parametrize(("module", "command"), DOCUMENTED)
def test_every_documented_command_exists(
    module: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        MAIN[module]([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m {module} ")


@pytest.mark.slow
def test_unusable_settings_are_one_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "annulus.toml"
    settings.write_text("[node]\nprot = 104\n")
    done = _run("flows", "--settings", str(settings), "dispatch")
    assert done.returncode == 2
    assert "node.prot" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=["full", "read only", "not allowed"]
)
def test_a_disk_that_takes_nothing_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    def fail(_options: object) -> int:
        raise OSError(code, os.strerror(code), "/somewhere/users.json")

    monkeypatch.setattr(flows.__main__, "_run", fail)
    assert flows.__main__.main(["releases"]) == 1
    said = capsys.readouterr().err
    assert f"({os.strerror(code)} /somewhere/users.json): make space" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("code", [errno.ENOTSOCK, errno.EACCES], ids=["socket", "port"])
def test_what_no_disk_is_to_blame_for_stays_what_it_is(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(_options: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(flows.__main__, "_run", fail)
    with pytest.raises(OSError, match=os.strerror(code)):
        flows.__main__.main(["releases"])
