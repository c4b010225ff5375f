"""The files that the first start makes."""

from __future__ import annotations

from pathlib import Path

from deploy.local.first_use import EXAMPLE, ensure_secrets, ensure_settings
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, read_secrets


def test_settings_are_copied_once(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    assert ensure_settings(file)
    assert file.read_text() == EXAMPLE.read_text()
    file.write_text("[node]\n")
    assert not ensure_settings(file)
    assert file.read_text() == "[node]\n"


def test_a_key_is_made_once_and_is_the_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "annulus.env"
    assert ensure_secrets(file, {})
    key = read_secrets(file)[PSEUDONYM_KEY_VARIABLE]
    assert len(key) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    assert not ensure_secrets(file, {})
    assert read_secrets(file)[PSEUDONYM_KEY_VARIABLE] == key


def test_no_key_is_made_where_the_environment_has_one(tmp_path: Path) -> None:
    assert not ensure_secrets(tmp_path / "annulus.env", {PSEUDONYM_KEY_VARIABLE: "k" * 32})
    assert read_secrets(tmp_path / "annulus.env") == {}
