"""The short forms of ``make fuzz``, ``make fuzz-values``, ``make torture``, ``make crash-states``
and ``make soak``: the node lives, nothing that it acknowledged is lost, and every study is scored
and delivered once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE
from tests.support.memory_folder import memory_folder
from tests.support.postgresql import PostgreSQL
from tests.torture.crash import torture
from tests.torture.crash_states import Reception, examine, receive
from tests.torture.fuzz import fuzz
from tests.torture.soak import HASTY, soak
from tests.torture.values import values
from tests.torture.withheld import withheld


def test_mutated_bytes_do_not_hurt_a_live_node(tmp_path: Path) -> None:
    result = fuzz(tmp_path, count=800, seed=20)
    assert result["problems"] == []


@pytest.mark.parametrize("registry", ["sqlite", "postgresql"])
def test_random_values_are_answered_and_kept_or_told_of(
    tmp_path: Path, request: pytest.FixtureRequest, registry: str
) -> None:
    url = None
    if registry == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.new_schema()
    seen = values(tmp_path / "node", count=150, seed=4, registry_url=url)
    assert seen.problems == []
    assert {"0x0000", "0xC000", "0xC001"} <= seen.statuses.keys()


@pytest.fixture(scope="module")
def reception(tmp_path_factory: pytest.TempPathFactory) -> Reception:
    """What a node did to its disk while it received three studies."""
    return receive(tmp_path_factory.mktemp("reception"))


def test_every_acknowledged_object_is_found_in_what_a_crash_may_leave(
    reception: Reception,
) -> None:
    with memory_folder("crash-states-") as folder:
        verdict = examine(reception, folder, slice(0, None, 30), every=12)
    assert verdict.examples == []
    assert verdict.acknowledged == 13
    assert verdict.is_good
    assert verdict.started >= 20


@pytest.mark.parametrize("of_folders", [False, True], ids=["files", "folders"])
def test_a_missing_fsync_is_found(reception: Reception, of_folders: bool) -> None:
    recording = reception.recording.without_syncs(of_folders=of_folders)
    planted = Reception(recording, reception.sent, reception.studies)
    with memory_folder("crash-states-") as folder:
        verdict = examine(planted, folder, slice(0, None, 25), every=48)
    assert verdict.losses > 0


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "kills"), [("registry", 2), ("clock", 1), ("disk", 1)])
def test_what_was_acknowledged_survives_sudden_deaths(
    tmp_path: Path, trouble: str, kills: int
) -> None:
    try:
        result = torture(tmp_path, kills, seed=3, trouble=trouble)
    except PermissionError as error:
        pytest.skip(str(error))
    assert result["acknowledged"]
    assert (result["lost"], result["outbox_missing"], result["outbox_duplicated"]) == (0, 0, 0)
    assert ("0xA700" in str(result["refused_with"])) == (trouble == "disk")


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("pacs", ["Orthanc", "dcmqrscp"])
def test_what_is_withheld_is_fetched_from_a_pacs_that_dies(
    tmp_path: Path, peer: Callable[[str], str], pacs: str
) -> None:
    peer(pacs)
    result = withheld(tmp_path, pacs, studies=5, kills=1, seed=1)
    assert (result["whole"], result["claims"], result["rows"]) == (5, 5, 5)
    assert result["asked"] >= 4


@pytest.mark.peers
@pytest.mark.slow
def test_every_study_is_scored_and_delivered_once_while_parts_are_killed(
    tmp_path: Path, peer: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer("storescp")
    for name in (SETTINGS_VARIABLE, PSEUDONYM_KEY_VARIABLE, "PREFECT_API_URL"):
        monkeypatch.setenv(name, "")  # so that what the soak sets is taken back
    result = soak(tmp_path, studies=5, seed=1, limit_s=1200.0, pace=HASTY, redrawn=1)
    assert (result["scored"], result["delivered"], result["twice"]) == (5, 5, 0)
    assert result["retired"] == 1
    assert result["kills"] > 0
