"""One way to find an installation: what its file of secrets gives, and what a shell overrides."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.settings import SettingsError
from dicom_node.settings.environment import enter

KEY, OTHER = "k" * 32, "o" * 32


@pytest.fixture(autouse=True)
def shell() -> Iterator[None]:
    """A shell of its own, which knows nothing of an installation."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("ANNULUS_", "PREFECT_"))]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    settings = tmp_path / "annulus.toml"
    settings.write_text("[node]\nport = 104\n")
    secrets = tmp_path / "annulus.env"
    secrets.write_text(f"ANNULUS_PSEUDONYM_KEY={KEY}\nANNULUS_STOW_TOKEN_B={'t' * 24}\n")
    secrets.chmod(0o600)
    return settings


def test_a_fresh_shell_has_everything_of_the_installation(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert enter(file) == file
    assert os.environ["ANNULUS_SETTINGS"] == str(file)
    assert os.environ["ANNULUS_PSEUDONYM_KEY"] == KEY
    assert os.environ["ANNULUS_STOW_TOKEN_B"] == "t" * 24
    assert capfd.readouterr().err == ""


def test_what_the_shell_overrides_is_said_in_one_line_and_once(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNULUS_NODE__PORT", "11113")
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", OTHER)
    enter(file)
    said = capfd.readouterr().err
    assert said == (
        "Taken from the environment, not from annulus.toml and annulus.env: ANNULUS_NODE__PORT, "
        "ANNULUS_PSEUDONYM_KEY.\n"
    )
    assert OTHER not in said
    assert os.environ["ANNULUS_PSEUDONYM_KEY"] == OTHER
    enter(file)
    assert capfd.readouterr().err == ""


def test_secrets_that_others_may_read_are_not_taken(file: Path) -> None:
    file.with_name("annulus.env").chmod(0o644)
    with pytest.raises(SettingsError, match="has mode 0644"):
        enter(file)
    assert "ANNULUS_PSEUDONYM_KEY" not in os.environ
