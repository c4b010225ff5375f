"""What every test may ask for: real data, R's answers and real DICOM peers; what is missing is
skipped in one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.absence import absent
from tests.support.object_store import ObjectStore
from tests.support.peer_programs import peer_program
from tests.support.postgresql import PostgreSQL, programs
from tests.support.real_data import real_data_folder

# Prefect waits 20 s for the server that it starts for a test, which is little on busy cores
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
INTEGRATION = ROOT / "tests" / "integration"
INTEGRATION_TIMEOUT_S = 1800
"""A test of an installation waits for many things, one after the other."""
LONGEST_FIRST = (
    "test_real_studies.py",
    "test_bad_input.py",
    "test_new_user.py",
    "test_first_day.py",
    "test_outgrown.py",
    "test_torture.py",
    "test_deployments.py",
    "test_cohort_runners.py",
    "test_robust_training.py",
    "test_one_reading.py",
)
"""The files of tests/integration that take minutes, so that the processes that share them end
together."""
SERVERS = frozenset({"postgresql", "object_store"})
"""The fixtures that start a server; everything under tests/integration starts one too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the integration tests run as on a cluster: ``make test-on-servers``."""
    parser.addoption(
        "--on-servers",
        action="store_true",
        help=(
            "installations keep registry and Prefect's database on PostgreSQL, and features in "
            "an object store"
        ),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or the whole network, which are slow to come up, and begin with what
    takes long, so that the cores end together.
    """
    for item in items:
        if item.path.is_relative_to(INTEGRATION):
            item.add_marker(pytest.mark.timeout(INTEGRATION_TIMEOUT_S))
        if item.path.is_relative_to(INTEGRATION) or not SERVERS.isdisjoint(_fixtures(item)):
            item.add_marker(pytest.mark.server)
        if "network" in _fixtures(item):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    place = {INTEGRATION / name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: (item.path not in slow, place.get(item.path, len(place))))


def _fixtures(item: pytest.Item) -> frozenset[str]:
    """Return the fixtures that a test needs."""
    return frozenset(item.fixturenames) if isinstance(item, pytest.Function) else frozenset()


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Take back what a command that was called here gave its process: the secrets of an
    installation, and its Prefect server; not what a server of the whole session told all tests.
    """
    before, settings = _of_an_installation(), _prefect_settings()
    yield
    for name in _of_an_installation().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    if _prefect_settings() is not settings:  # they were read while the command's were set
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def _of_an_installation() -> dict[str, str]:
    prefixes = ("ANNULUS_", "PREFECT_")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


def _prefect_settings() -> object:
    """Return the settings that Prefect has read for this process, if it is loaded."""
    loaded = sys.modules.get("prefect.context")
    return getattr(loaded, "GLOBAL_SETTINGS_CONTEXT", None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real CT, RTSTRUCT and clinical data, read in place."""
    folder = real_data_folder()
    if folder is None:
        absent("no real data: set ANNULUS_REAL_DATA", "ANNULUS_REQUIRE_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def oracle(real_data: Path) -> Path:
    """The folder with R's answers on the real clinical data."""
    folder = real_data.parent / "oracle"
    if not (folder / "oracle.json").is_file():
        absent(f"no answers of R in {folder}", "ANNULUS_REQUIRE_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL, started for the tests."""
    binaries = programs()
    if binaries is None:
        absent("PostgreSQL is not installed (apt-get install postgresql)", "ANNULUS_REQUIRE_PEERS")
    with PostgreSQL(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """An S3-compatible server, whose address and credentials are in the environment."""
    with ObjectStore() as server:
        yield server


@pytest.fixture(scope="session")
def peer() -> Callable[[str], str]:
    """Find the program of a real peer (DCMTK, dicom3tools, Orthanc) by name."""

    def find(program: str) -> str:
        path = peer_program(program)
        if path is None:
            packages = (
                "dcmtk dicom3tools libgdcm-tools orthanc chromium r-base-core r-cran-survival "
                "r-cran-glmnet r-bioc-sva strace"
            )
            absent(
                f"{program} is not installed: apt-get install {packages}", "ANNULUS_REQUIRE_PEERS"
            )
        return path

    return find
