"""Whoever makes pseudonyms makes them with the archive's key, or is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.archive.archive import Archive
from dicom_node.archive.key_check import check_key
from dicom_node.errors import ArchiveError
from dicom_node.pseudonym import key_fingerprint

KEY, OTHER = b"k" * 32, b"o" * 32


def test_the_first_key_is_the_archives_and_another_one_is_refused(tmp_path: Path) -> None:
    check_key(tmp_path, KEY)
    check_key(tmp_path, KEY)
    with pytest.raises(ArchiveError, match=r"another pseudonym key: .* annulus\.env .* shell"):
        check_key(tmp_path, OTHER)
    archive = Archive(tmp_path)
    archive.open(key_fingerprint(KEY))
    archive.close()


def test_the_key_of_a_node_binds_everybody(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.open(key_fingerprint(KEY))
    archive.close()
    with pytest.raises(ArchiveError, match="made with another pseudonym key"):
        check_key(tmp_path, OTHER)
