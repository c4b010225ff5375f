"""Settings that lie, each with the sentence that refuses it when it is read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from dicom_node.settings import SettingsError, values
from flows.settings import Settings
from tests.support import ROOT

DIGEST: Final = "a" * 64
_CASES: Final = [
    tuple(case.split("\n-> ", 1))
    for case in Path(__file__)
    .with_name("settings_that_lie.txt")
    .read_text(encoding="utf-8")
    .strip()
    .split("\n\n")
]
_SOUND: Final = {
    "an AE title of 16 characters": "[node]\nae_title = 'RADIOTHERAPY_016'\n",
    "small letters and a blank inside": "[center.b]\nae_titles = ['pacs b', 'PACS B']\n",
    "the last port": "[node]\nport = 65535\n",
    "the ends of lines as Windows writes them": "[node]\r\nport = 104\r\nquiet_period_s = 7\r\n",
    "a whole number of seconds": "[node]\nquiet_period_s = 7\n",
    "one port at two addresses": (
        "[node]\nhost = '192.0.2.1'\nport = 8443\nstow_host = '192.0.2.2'\nstow_port = 8443\n"
    ),
    "the port of a server that is not started": (
        "[node]\nport = 4200\n[prefect]\napi_url = 'http://prefect:4200/api'\n"
    ),
    "a bundle that is not there yet": f"[model]\nbundle = 'later'\ndigest = '{DIGEST}'\n",
    "a bundle whose ring is made": (
        f"[model]\nbundle = 'bundle of the 6 mm ring'\ndigest = '{DIGEST}'\n"
        "[features]\nring_widths_mm = [3, 6]\n"
    ),
    "an IPv6 address": "[node]\nhost = '::1'\n[system]\nhost = '::'\n",
    "PostgreSQL": "[node]\nregistry_url = 'postgresql+psycopg://annulus:p%23w@db:5432/annulus'\n",
    "a server of Prefect's own company": (
        "[prefect]\napi_url = 'https://api.prefect.example/api/accounts/a/workspaces/b'\n"
    ),
    "a schedule by its name": "[validation]\nschedule = '@daily'\n",
    "a day that comes every four years": "[validation]\nschedule = '0 2 29 2 *'\n",
    "a pattern for any target": "[center.B]\nae_titles = ['B']\ngtv_pattern = '.*(gtv|ptv).*'\n",
    "reports in the node's folder": "[node]\nfolder = 'data'\n[validation]\nreports = 'data/r'\n",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which relative paths count, with a file, a folder and a bundle in it."""
    monkeypatch.setattr(values, "ROOT", tmp_path)
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    bundle = tmp_path / "bundle of the 6 mm ring"
    bundle.mkdir()
    blocks = [{"block": block} for block in ("gtv", "ring_6mm", "deep")]
    (bundle / "model.json").write_text(json.dumps({"signatures": blocks}))
    return tmp_path


@pytest.mark.parametrize(("text", "sentence"), _CASES, ids=[case[0][-40:] for case in _CASES])
def test_settings_that_lie_are_refused_when_they_are_read(
    checkout: Path, text: str, sentence: str
) -> None:
    file = checkout / "annulus.toml"
    file.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refusal:
        Settings.load(file)
    said = str(refusal.value).replace(str(checkout), "ROOT")
    assert said.removeprefix("The settings file ROOT/annulus.toml ") == sentence
    assert "secret" not in said


def test_the_table_is_long_and_says_each_thing_once() -> None:
    assert len(_CASES) >= 47
    assert len({text for text, _ in _CASES}) == len(_CASES)


@pytest.mark.parametrize("text", _SOUND.values(), ids=_SOUND)
def test_what_only_looks_odd_is_taken(checkout: Path, text: str) -> None:
    file = checkout / "annulus.toml"
    file.write_bytes(text.encode())
    assert Settings.load(file).node.folder.is_relative_to(checkout if "folder" in text else ROOT)


def test_lines_are_those_of_windows_files_too(checkout: Path) -> None:
    file = checkout / "annulus.toml"
    file.write_bytes(b"[node]\r\n\r\nport = 0\r\n")
    with pytest.raises(SettingsError, match=r"line 3, node\.port"):
        Settings.load(file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xef\xbb\xbf[node]\n", "begins with a byte-order mark, which some editors write"),
        ("[node]\n".encode("utf-16"), "begins with a byte-order mark of UTF-16"),
        ("[node]\n\nfolder = 'Daten für A'\n".encode("latin-1"), "is not UTF-8 in line 3"),
    ],
)
def test_a_file_of_another_encoding_is_told(checkout: Path, content: bytes, sentence: str) -> None:
    file = checkout / "annulus.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=sentence):
        Settings.load(file)


def test_reports_never_lie_around_the_secrets(checkout: Path) -> None:
    folder = checkout / "a folder"
    file = folder / "annulus.toml"
    file.write_text(f"[node]\nfolder = 'data'\n[validation]\nreports = '{folder}'\n")
    with pytest.raises(SettingsError, match=r"line 4, validation\.reports: .* no browser may read"):
        Settings.load(file)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "ANNULUS_NODE__PORT",
            "70000",
            "environment variable ANNULUS_NODE__PORT (node.port): 70000 is not a TCP port",
        ),
        ("ANNULUS_NODE__PROT", "1", "(node.prot): No key has this name: did you mean port?"),
        ("ANNULUS_NOD__PORT", "1", "No table has the name nod: did you mean node?"),
        ("ANNULUS_NODE__PORT", "one", 'Found "one", expected a whole number'),
    ],
)
def test_a_variable_that_lies_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    file = checkout / "annulus.toml"
    file.write_text("[node]\nport = 104\n")
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        Settings.load(file)


def test_a_variable_reaches_a_centre_with_capitals(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkout / "annulus.toml"
    file.write_text("[center.Ghent]\nae_titles = ['GHENT']\n")
    monkeypatch.setenv("ANNULUS_CENTER__GHENT__QUIET_PERIOD_S", "7")
    (center,) = Settings.load(file).centers()
    assert (center.name, center.quiet_period_s) == ("Ghent", 7.0)
