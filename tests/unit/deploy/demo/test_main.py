"""The demonstration's own decisions: settings that the parts can use, and folders that it leaves
alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy.demo.__main__ import _pin, _write_settings, main
from deploy.demo.cohort import DEMO_CENTERS
from flows.settings import Settings


def _main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["python -m deploy.demo", *arguments])
    return main()


def test_its_settings_are_those_of_a_training_centre_and_external_ones(tmp_path: Path) -> None:
    ports = {spec.name: 11112 + number for number, spec in enumerate(DEMO_CENTERS)}
    path = _write_settings(tmp_path, list(DEMO_CENTERS), ports)
    _pin(path, tmp_path / "bundle", "ab" * 32)
    settings = Settings.load(path)
    assert [center.role for center in settings.center.values()] == [
        "training",
        *["external"] * (len(DEMO_CENTERS) - 1),
    ]
    for name, center in settings.center.items():
        assert center.return_to is not None
        assert center.return_to.port == ports[name]
        assert center.ae_titles == (center.return_to.ae_title,)
    assert settings.model.bundle == tmp_path / "bundle"
    assert settings.model.digest == "ab" * 32


def test_a_folder_with_something_else_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert _main(monkeypatch, "--folder", str(tmp_path)) == 1
    assert "holds something else than a demonstration" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_runs_of_a_demonstration_that_there_is_not_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, "ui", "--folder", str(tmp_path)) == 1
    assert "run make demo first" in capsys.readouterr().err
