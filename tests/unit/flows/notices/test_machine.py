"""The disk, and parts that start over and over."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.supervisor import PartState
from flows.notices.machine import DISK_IS_NEAR, PARTS_NAME, disk_causes, restart_causes

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def test_a_disk_near_its_limit_is_one_cause_and_a_full_one_another(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert disk_causes(tmp_path, 0, NOW) == []
    (near,) = disk_causes(tmp_path, free // (DISK_IS_NEAR - 2), NOW)
    (full,) = disk_causes(tmp_path, free * 2, NOW)
    assert (near.cause, full.cause) == ("near", "full")
    assert "Make room soon." in near.sentence
    assert "instances are refused. Make room." in full.sentence
    (again,) = disk_causes(tmp_path, free * 2, NOW)
    assert again.sentence == full.sentence
    with pytest.raises(OSError, match="No such file"):
        disk_causes(tmp_path / "gone", 1, NOW)


def test_a_part_that_ends_over_and_over_is_told(tmp_path: Path) -> None:
    file = tmp_path / PARTS_NAME
    assert list(restart_causes(file, NOW)) == []

    def ends(*minutes_ago: int) -> list[str]:
        moments = [NOW - timedelta(minutes=minutes) for minutes in minutes_ago]
        return [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]

    states = [
        PartState("node", 1, None, 5, None, ends(600, 500, 400, 61, 2)),
        PartState("dispatcher", None, None, 3, None, ends(50, 20, 1)),
        PartState("portal", 1),
    ]
    file.write_text(json.dumps([asdict(one) for one in states]))
    (found,) = restart_causes(file, NOW)
    assert (found.subject, found.began_at) == ("dispatcher", NOW - timedelta(minutes=50))
    file.write_text('[{"name": "of before", "restarts": 9}]')
    assert list(restart_causes(file, NOW)) == []
