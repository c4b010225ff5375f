"""What the node's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.dicom_node.builders import Bench
from tests.unit.dicom_node.certificates import Certificates, make_certificates


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An archive and a registry in a temporary folder."""
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and what it signed."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
