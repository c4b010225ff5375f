"""Files of the archive are read back, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.errors import UnreadableDatasetError
from tests.support.part10 import read_part10


def test_a_file_without_the_dicom_prefix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0" * 500)
    with pytest.raises(UnreadableDatasetError, match="no DICOM prefix within its 500 bytes"):
        read_part10(tmp_path / "file")
