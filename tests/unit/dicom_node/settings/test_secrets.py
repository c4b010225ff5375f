"""The file of secrets: read as systemd reads it, and refused where others may read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dicom_node.settings import SettingsError, read_secrets

KEY = "k" * 32


def _file(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    file = folder / "annulus.env"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)
    return file


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_lines_are_read_as_systemd_reads_them(tmp_path: Path, mode: int) -> None:
    text = f"# a comment\n; another\n\nANNULUS_PSEUDONYM_KEY={KEY}\r\nA = \"b c\"\nB='d'\nC=\n"
    expected = {"ANNULUS_PSEUDONYM_KEY": KEY, "A": "b c", "B": "d", "C": ""}
    assert read_secrets(_file(tmp_path, text, mode)) == expected


def test_no_file_holds_no_secrets(tmp_path: Path) -> None:
    assert read_secrets(tmp_path / "annulus.env") == {}


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o666])
def test_a_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    file = _file(tmp_path, f"ANNULUS_PSEUDONYM_KEY={KEY}\n", mode)
    with pytest.raises(SettingsError, match=f"has mode {mode:04o}.* chmod 0600"):
        read_secrets(file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("A=1\nexport B=2\n", "Line 2 of FILE cannot be read: expected NAME=value or a comment"),
        ("A\n", "Line 1 of FILE cannot be read"),
        ("A=1\n\nA=2\n", "Line 3 of FILE gives A a second time: keep one of the two."),
        ("A='1\n", "Line 1 of FILE opens a quote that it does not close"),
        (b"\xef\xbb\xbfA=1\n", "The secrets file FILE begins with a byte-order mark"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_without_its_value(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    file = _file(tmp_path, content)
    with pytest.raises(SettingsError, match=re.escape(sentence.replace("FILE", str(file)))):
        read_secrets(file)
