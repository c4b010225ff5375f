"""A registry that is not whole: the start says so and names the cure, and the cure works."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dicom_node.errors import DamagedRegistryError, NodeError
from dicom_node.node import Node
from dicom_node.registry.registry import StudyState
from dicom_node.settings import NodeSettings
from tests.support.intake_bench import KEY, Bench
from tests.support.kept_instances import kept_instances
from tests.support.postgresql import PostgreSQL
from tests.support.settings_tables import node_settings

PAGE_BYTES = 4096


def _complete(folder: Path, registry_url: str | None = None) -> dict[str, str]:
    """Receive two studies, and return what is kept."""
    bench = Bench(folder, registry_url=registry_url)
    bench.complete(1)
    bench.complete(2)
    kept = kept_instances(bench.registry, bench.archive.instances)
    bench.close()
    assert not list(folder.glob("*-wal"))  # so that no log mends what is damaged
    assert len(kept) == 8
    return kept


def _after_reindex(settings: NodeSettings) -> tuple[dict[str, str], list[str]]:
    """Do what the command ``reindex`` does, and return what is kept and the kinds of incidents;
    every study is queued once.
    """
    node = Node(settings, KEY)
    try:
        node.reindex()
        states = [one.state for one in node.registry.studies.summaries()]
        assert states == [StudyState.QUEUED] * 2
        assert sum(node.registry.outbox.counts().values()) == 2
        kept = kept_instances(node.registry, settings.node.folder / "archive")
        return kept, [one.kind for one in node.registry.incidents.latest()]
    finally:
        node.stop()


def _half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _other_header(file: Path) -> None:
    file.write_bytes(b"no database at all" + file.read_bytes()[18:])


def _page_of_the_index(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'instances'"
        (page,) = connection.execute(query).fetchone()
    connection.close()
    _overwrite(file, page)


def _last_page(file: Path) -> None:
    _overwrite(file, file.stat().st_size // PAGE_BYTES)


def _overwrite(file: Path, page: int) -> None:
    content = bytearray(file.read_bytes())
    content[(page - 1) * PAGE_BYTES : page * PAGE_BYTES] = b"\x5a" * PAGE_BYTES
    file.write_bytes(content)


def _missing_table(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE outbox")
    connection.close()


@pytest.mark.parametrize(
    "damage", [_half, _other_header, _page_of_the_index, _last_page, _missing_table]
)
@pytest.mark.parametrize("cure", ["back-up", "moved away"])
def test_the_start_names_the_cure_and_the_cure_works(
    tmp_path: Path, damage: Callable[[Path], None], cure: str
) -> None:
    settings = node_settings(tmp_path / "node")
    kept = _complete(settings.node.folder)
    file = settings.node.folder / "registry.sqlite"
    shutil.copy(file, tmp_path / "back-up")
    damage(file)
    with pytest.raises(DamagedRegistryError, match=r"python -m dicom_node reindex") as told:
        Node(settings, KEY).reindex()
    assert "put it back from a back-up; without one, move it away" in str(told.value)
    for one in settings.node.folder.glob("registry.sqlite*"):
        one.unlink()
    if cure == "back-up":
        shutil.copy(tmp_path / "back-up", file)
    again, incidents = _after_reindex(settings)
    assert again == kept
    assert incidents == ([] if cure == "back-up" else ["registry-failure"])


def test_a_registry_of_no_bytes_is_made_anew_and_told_of(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "node")
    kept = _complete(settings.node.folder)
    (settings.node.folder / "registry.sqlite").write_bytes(b"")
    assert _after_reindex(settings) == (kept, ["registry-failure"])
    assert _after_reindex(settings) == (kept, ["registry-failure"])


def test_what_only_the_lost_log_held_is_indexed_from_the_files(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "node")
    bench = Bench(settings.node.folder)
    bench.complete(1)
    bench.complete(2)
    kept = kept_instances(bench.registry, bench.archive.instances)
    # As a crash leaves them, with a log that has not been written back, less that log.
    crashed = tmp_path / "crashed"
    ignored = shutil.ignore_patterns("*-wal", "*-shm", "node.lock")
    shutil.copytree(settings.node.folder, crashed, ignore=ignored)
    bench.close()
    assert _after_reindex(node_settings(crashed))[0] == kept


def test_a_table_that_is_missing_on_postgresql_is_no_empty_one(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = postgresql.new_schema()
    settings = node_settings(tmp_path / "node", url)
    kept = _complete(settings.node.folder, url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE outbox CASCADE"))
    with pytest.raises(DamagedRegistryError, match="lacks its table outbox"):
        Node(settings, KEY)
    with engine.begin() as connection:
        schema = connection.scalar(text("SELECT current_schema()"))
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    assert _after_reindex(settings) == (kept, ["registry-failure"])


def test_a_table_that_goes_while_the_node_runs_is_told_of(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = postgresql.new_schema()
    bench = Bench(tmp_path / "node", registry_url=url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE outbox CASCADE"))
    engine.dispose()
    with pytest.raises(DamagedRegistryError, match="put it back from a back-up"):
        bench.registry.outbox.counts()
    bench.close()


def test_the_folder_is_let_go_of_after_a_start_that_failed(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "node")
    _complete(settings.node.folder)
    file = settings.node.folder / "registry.sqlite"
    whole = file.read_bytes()
    _last_page(file)
    with pytest.raises(NodeError):
        Node(settings, KEY)
    file.write_bytes(whole)
    Node(settings, KEY).stop()
