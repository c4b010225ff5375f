"""One file, the environment over it, and a sentence for whatever is misspelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.center import Completeness, ReturnDestination
from dicom_node.settings import (
    NodeSettings,
    NodeTable,
    SettingsError,
    pseudonym_key,
    settings_file,
    stow_tokens,
)

FILE = """
[node]
port = 11113
quiet_period_s = 5
[center.alpha]
ae_titles = ["ALPHA"]
completeness = "strict"
[center.alpha.return_to]
ae_title = "PACS"
host = "pacs.example"
port = 104
[center.beta]
ae_titles = ["BETA", "BETA2"]
quiet_period_s = 7
[model]
whatever = "is left to its owner"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ANNULUS_SETTINGS", raising=False)
    path = tmp_path / "annulus.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_the_file_is_read(file: Path) -> None:
    settings = NodeSettings.load(file)
    alpha, beta = settings.centers()
    assert settings.node.port == 11113
    assert (alpha.completeness, alpha.quiet_period_s) == (Completeness.STRICT, 5.0)
    assert alpha.return_to == ReturnDestination("PACS", "pacs.example", 104)
    assert (beta.ae_titles, beta.quiet_period_s, beta.return_to) == (("BETA", "BETA2"), 7.0, None)
    assert (alpha.longest_wait_s, beta.longest_wait_s, alpha.beyond_gtv_mm) == (1800, 1800, 9)


def test_a_longest_wait_follows_a_longer_quiet_period_unless_a_centre_has_its_own(
    file: Path,
) -> None:
    longer = FILE.replace("quiet_period_s = 5", "quiet_period_s = 3600").replace(
        "quiet_period_s = 7", "quiet_period_s = 7\nlongest_wait_s = 700"
    )
    file.write_text(longer, encoding="utf-8")
    alpha, beta = NodeSettings.load(file).centers()
    assert (alpha.longest_wait_s, beta.longest_wait_s) == (3600, 700)


def test_the_environment_wins_and_leaves_the_rest(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNULUS_NODE__PORT", "11114")
    settings = NodeSettings.load(file)
    assert (settings.node.port, settings.node.quiet_period_s) == (11114, 5.0)


def test_the_variable_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNULUS_SETTINGS", str(file))
    assert settings_file() == file
    assert NodeSettings.load().node.port == 11113


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[node]\nprot = 1", "line 2, node.prot: No key has this name: did you mean port"),
        ("[nod]\nport = 1", "line 1, nod: No table has this name: did you mean node"),
        ("[node]\nport = 0", "line 2, node.port: 0 is not a TCP port: expected 1 to 65535"),
        ("[node", "is not TOML"),
        (
            "[center.a]\nae_titles = ['X']\n[center.b]\nae_titles = ['X']",
            "AE title X is given to both a and b",
        ),
        ("[center.a]\nae_titles = []", "Centre a has no calling AE title"),
        (
            "[center.a]\nae_titles = ['X']\ncertificates = ['a:b']",
            "neither a SHA-256 fingerprint nor a name",
        ),
        (
            "[center.a]\nae_titles = ['X']\ncertificates = ['pacs.a']",
            "give authorities in .node.tls.",
        ),
    ],
)
def test_what_cannot_be_meant_is_told(file: Path, text: str, sentence: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=sentence):
        NodeSettings.load(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        NodeSettings.load(tmp_path / "none.toml")


def test_the_registry_lies_in_the_folder_unless_a_url_is_given(tmp_path: Path) -> None:
    node = NodeSettings.load(None).node.model_copy(update={"folder": tmp_path})
    assert node.resolved_registry_url() == f"sqlite:///{tmp_path / 'registry.sqlite'}"
    assert (
        node.model_copy(update={"registry_url": "postgresql://x"}).resolved_registry_url()
        == "postgresql://x"
    )


def test_the_key_comes_from_the_environment_and_is_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", "k" * 16)
    assert pseudonym_key() == b"k" * 16
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", "k" * 15)
    with pytest.raises(SettingsError, match="holds 15 bytes, expected at least 16"):
        pseudonym_key()


def test_tokens_come_from_the_environment_by_the_centres_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centers = NodeSettings.load(file).centers()
    assert stow_tokens(centers) == {}
    monkeypatch.setenv("ANNULUS_STOW_TOKEN_BETA", "b" * 24)
    assert stow_tokens(centers) == {"beta": "b" * 24}
    monkeypatch.setenv("ANNULUS_STOW_TOKEN_ALPHA", "b" * 24)
    with pytest.raises(SettingsError, match="another centre's token"):
        stow_tokens(centers)
    monkeypatch.setenv("ANNULUS_STOW_TOKEN_ALPHA", "a" * 23)
    with pytest.raises(SettingsError, match=r"ALPHA holds 23 characters, expected at least 24"):
        stow_tokens(centers)


@pytest.mark.parametrize(
    ("given", "centers", "share"),
    [({}, 1, 20), ({}, 2, 10), ({"associations_of_a_center": 3}, 2, 3)],
)
def test_one_centre_has_its_share_of_the_associations(
    given: dict[str, int], centers: int, share: int
) -> None:
    assert NodeTable(**given).share_of_a_center(centers) == share  # type: ignore[arg-type]
