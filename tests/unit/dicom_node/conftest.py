"""What the node's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.processes import free_port
from tests.support.certificates import Certificates, make_certificates
from tests.support.intake_bench import KEY, Bench
from tests.support.postgresql import PostgreSQL

ON_BOTH = (
    "registry.",
    "intake.test_acceptance",
    "intake.test_erasure",
    "intake.test_indexer",
    "operations.test_retention",
    "intake.test_reindexing",
    "scp.test_poison",
    "stow.test_poison",
    "scp.test_commitment_service",
    "scu.test_commitment_results",
    "scu.test_report_delivery",
)
"""Modules and folders whose tests run with the registry on SQLite and again on PostgreSQL."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the tests of the registry run on each database."""
    module = metafunc.module.__name__.partition("dicom_node.")[2]
    if "bench" in metafunc.fixturenames and module.startswith(ON_BOTH):
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


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a node with one centre."""
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", KEY.decode())
    path = tmp_path / "annulus.toml"
    path.write_text(
        f"""
        [node]
        folder = "{tmp_path / "node"}"
        port = {free_port()}
        sweep_interval_s = 0.05
        [center.alpha]
        ae_titles = ["ALPHA"]
        [center.alpha.return_to]
        ae_title = "PACS"
        host = "127.0.0.1"
        port = {free_port()}
        """,
        encoding="utf-8",
    )
    return path
