"""An installation with a filled feature store, and its command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows import __main__ as command_line
from tests.support.feature_stores import filled_store

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installation")
    filled_store(folder / "node" / "feature_store")
    (folder / "annulus.toml").write_text(f"[node]\nfolder = '{folder / 'node'}'\n")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("ANNULUS_SETTINGS", str(folder / "annulus.toml"))

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            code = command_line.main([*arguments])
        except SystemExit as end:  # argparse
            code = int(str(end.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command
