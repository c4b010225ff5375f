"""A whole installation on free ports in a temporary folder, and a real Orthanc as the centres'
PACS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deploy.local.processes import LocalSystem
from tests.support import waiting
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.node_process import NodeWithPacs
from tests.support.object_store import ObjectStore
from tests.support.orthanc import Orthanc
from tests.support.postgresql import PostgreSQL
from tests.support.running_installation import NewInstallation, Place, Running


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """Let the waits last longer than on a quiet machine: the cores are shared with other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "PATIENCE", 4.0)
        yield


@pytest.fixture
def orthanc(tmp_path: Path, peer: Callable[[str], str]) -> Iterator[Orthanc]:
    """A centres' PACS."""
    with Orthanc(peer("Orthanc"), tmp_path / "orthanc") as running:
        yield running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeWithPacs]:
    """A node, not started, whose centre has a PACS, which does not run."""
    node = NodeWithPacs(tmp_path / "live")
    yield node
    node.kill()


@pytest.fixture
def orthanc_of_node(
    node: NodeWithPacs, tmp_path: Path, peer: Callable[[str], str]
) -> Iterator[Orthanc]:
    """An Orthanc that knows the node, as the PACS of its centre."""
    with Orthanc(
        peer("Orthanc"),
        tmp_path / "orthanc",
        "PACS",
        node.pacs_port,
        {"annulus": ("ANNULUS", "127.0.0.1", node.port)},
    ) as running:
        yield running


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A frozen bundle, and its digest."""
    folder = tmp_path_factory.mktemp("bundle") / "frozen"
    return folder, freeze_test_bundle(folder)


@pytest.fixture(scope="session")
def new_place(request: pytest.FixtureRequest) -> Place:
    """Say where an installation keeps registry and features: in its own folder, unless servers are
    asked for.
    """
    if not request.config.getoption("--on-servers"):
        return dict
    database: PostgreSQL = request.getfixturevalue("postgresql")
    objects: ObjectStore = request.getfixturevalue("object_store")
    return lambda: {
        "registry_url": database.new_schema(),
        "store": f"{objects.new_bucket()}/features",
    }


@pytest.fixture(scope="session")
def prefect_port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of one Prefect server for all integration tests: its first start takes half a
    minute.
    """
    environment = {}
    if request.config.getoption("--on-servers"):
        database: PostgreSQL = request.getfixturevalue("postgresql")
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database.new_database(
            "postgresql+asyncpg"
        )
    with LocalSystem(tmp_path_factory.mktemp("prefect"), environment) as system:
        system.start_prefect_server()
        system.wait_for_prefect(600)
        yield system.prefect_port


@pytest.fixture(scope="session")
def new_installation(
    tmp_path_factory: pytest.TempPathFactory,
    prefect_port: int,
    bundle: tuple[Path, str],
    new_place: Place,
) -> NewInstallation:
    """Start installations with the given ``[center]`` tables, each as long as its context lasts:
    its scoring processes need more than two gigabytes.
    """

    @contextmanager
    def start(centers: str, *, dispatcher: bool = True) -> Iterator[Running]:
        folder = tmp_path_factory.mktemp("installation")
        running = Running(folder, prefect_port, centers, bundle, **new_place())
        with closing(running.registry), running.system:
            running.system.start_node(running.port)
            if dispatcher:
                running.system.start_dispatcher()
            yield running

    return start
