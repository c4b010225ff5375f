"""What the node's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.dicom_node.builders import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An archive and a registry in a temporary folder."""
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()
