"""The commands that say who may look."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from flows.__main__ import main
from flows.portal.users import is_password, read_users

PASSWORD = "quite a long one"  # noqa: S105 - of nobody


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    file = tmp_path / "annulus.toml"
    file.write_text(f"[node]\nfolder = '{tmp_path / 'node'}'\n[center.B]\nae_titles = ['B']\n")
    return file


def _run(settings: Path, *words: str) -> int:
    return main(["--settings", str(settings), "portal-user", *words])


def test_a_user_is_made_listed_and_removed(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "node" / "portal"
    assert _run(settings, "add", "anna") == 0
    assert _run(settings, "add", "paul", "--center", "B", "--without-password") == 0
    users = read_users(folder)
    assert is_password(PASSWORD, users["anna"].password)
    assert (users["anna"].centers, users["paul"].centers) == (None, ("B",))
    assert _run(settings, "list") == 0
    assert _run(settings, "remove", "anna") == 0
    assert _run(settings, "remove", "anna") == 1
    assert set(read_users(folder)) == {"paul"}
    said = capsys.readouterr()
    assert "paul may look at centre B, through a proxy only" in said.out
    assert "There is no user anna" in said.err
    assert PASSWORD not in said.out + said.err


def test_a_centre_that_there_is_not_and_a_short_password_are_refused(
    settings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _run(settings, "add", "anna", "--center", "Z") == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert _run(settings, "add", "anna") == 1
    assert _run(settings, "add", "an na", "--without-password") == 1
    said = capsys.readouterr().err
    assert "The settings file has no centre Z: it has B" in said
    assert "The password has 5 characters: expected 12 to 256" in said
    assert read_users(tmp_path / "node" / "portal") == {}
