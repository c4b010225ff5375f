"""What an erasure cannot look through is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.erasure.places import prefect_elsewhere, store_elsewhere
from flows.installation import Installation
from flows.settings import Settings


def _work(folder: Path, more: str = "") -> Installation:
    path = folder / "annulus.toml"
    path.write_text(f"[node]\nfolder = '{folder / 'node'}'\n[center.a]\nae_titles = ['A']\n{more}")
    return Installation(Settings.load(path))


@pytest.mark.parametrize("url", ["", "sqlite+aiosqlite:////srv/prefect.db"])
def test_a_server_of_this_machine_with_a_file_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", url)
    assert prefect_elsewhere(_work(tmp_path)) is None


def test_a_server_whose_database_is_elsewhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_DATABASE_CONNECTION_URL", raising=False)
    remote = prefect_elsewhere(_work(tmp_path, "[prefect]\napi_url = 'http://far.test:4200/api'\n"))
    assert remote is not None
    assert remote.startswith("The database of the Prefect server at http://far.test:4200/api")
    url = "postgresql+asyncpg://prefect@db/prefect"
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", url)
    on_postgresql = prefect_elsewhere(_work(tmp_path))
    assert on_postgresql is not None
    assert "delete the runs of the person's studies there" in on_postgresql


def test_a_store_of_objects_is_said_to_be_out_of_reach(tmp_path: Path) -> None:
    assert store_elsewhere(_work(tmp_path)) is None
    found = store_elsewhere(_work(tmp_path, "[features]\nstore = 's3://bucket/annulus'\n"))
    assert found is not None
    assert "s3://bucket/annulus" in found
