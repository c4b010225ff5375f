"""A number agrees with its noun."""

from __future__ import annotations

from feature_store.wording import counted


def test_one_is_singular_and_everything_else_plural() -> None:
    assert [counted(n, "voxel") for n in (0, 1, 2)] == ["0 voxels", "1 voxel", "2 voxels"]
