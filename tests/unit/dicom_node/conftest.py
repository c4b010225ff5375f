"""What the node's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.intake_bench import Bench
from tests.support.postgresql import PostgreSQL

ON_BOTH = {"test_registry", "test_operators", "test_overdue", "test_commitment_service"}
"""Modules whose tests run with the registry on SQLite and again on PostgreSQL."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the tests of the registry run on each database."""
    if "bench" in metafunc.fixturenames and metafunc.module.__name__.rsplit(".", 1)[-1] in ON_BOTH:
        only = metafunc.definition.get_closest_marker("sqlite_only")
        both = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
        metafunc.parametrize("bench", both[:1] if only else both, indirect=True)


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """An archive in a temporary folder, and a registry there or on PostgreSQL."""
    url = None
    if getattr(request, "param", "sqlite") == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.new_schema()
    bench = Bench(tmp_path / "node", registry_url=url)
    yield bench
    bench.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and what it signed."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
