"""Where the store of a test lies: in a folder, and again in a bucket of an S3-compatible server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.object_store import ObjectStore


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a store or table."""
    if request.param == "folder":
        return str(tmp_path / "store")
    server: ObjectStore = request.getfixturevalue("object_store")
    return f"{server.new_bucket()}/prefix/store"
