"""A list in its centre's folder is fetched by the form's request, and named by its file alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.local.processes import free_port
from dicom_node.errors import StudyListError
from dicom_node.node import Node
from dicom_node.scu.study_list import LineResult
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, NodeSettings, SettingsError
from flows.installation import Installation
from flows.operators.retrieve import RetrieveRequest, list_file, retrieve_list
from flows.settings import Settings
from tests.support.intake_bench import KEY, whole_study
from tests.support.query_pacs import QueryPacs

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@dataclass
class Place:
    """An installation whose node runs, and its PACS."""

    work: Installation
    lists: Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, KEY.decode())
    slices, drawn = whole_study(8)
    port = free_port()
    with QueryPacs([*slices, drawn], port) as pacs:
        file = tmp_path / "annulus.toml"
        file.write_text(
            f"[node]\nport = {port}\nfolder = '{tmp_path / 'node'}'\nminimum_free_bytes = 0\n"
            "[center.alpha]\nae_titles = ['ALPHA']\n[center.alpha.query_from]\n"
            f"ae_title = 'PACS'\nhost = '127.0.0.1'\nport = {pacs.port}\n"
            "studies_per_hour = 100000\n"
        )
        node = Node(NodeSettings.load(file), KEY)
        node.start()
        work = Installation(Settings.load(file))
        lists = tmp_path / "node" / "retrieval_lists" / "alpha"
        lists.mkdir(parents=True)
        try:
            yield Place(work, lists)
        finally:
            work.registry.close()
            node.stop()


@pytest.mark.slow
def test_a_list_is_fetched_and_each_line_is_told(place: Place) -> None:
    (place.lists / "early.csv").write_text("patient_id\nP1\nP*\n")
    told: list[tuple[LineResult, float]] = []
    request = RetrieveRequest(center="alpha", list="early.csv")
    counted, rows = retrieve_list(place.work, request, lambda *one: told.append(one))
    assert counted.is_done
    assert counted.sentence == "2 lines: 1 fetched, 1 wrong line"
    assert [(one.line, part) for one, part in told] == [(2, 0.5), (3, 1.0)]
    assert [(one["line"], one["result"], one["instances"]) for one in rows] == [
        (2, "fetched", 9),
        (3, "wrong line", 0),
    ]
    assert "P1" not in str(rows)
    assert place.work.registry.outbox.counts()["waiting"] == 1


def test_a_list_that_is_not_there_is_a_sentence(place: Place) -> None:
    with pytest.raises(StudyListError, match=r"There is no late\.csv in .*: put the list there"):
        list_file(place.work, RetrieveRequest(center="alpha", list="late.csv"))
    with pytest.raises(SettingsError, match="has no centre beta"):
        list_file(place.work, RetrieveRequest(center="beta", list="late.csv"))


@pytest.mark.parametrize("name", ["../a.csv", "a/b.csv", ".csv", "a.txt", "a.csv\n", ""])
def test_a_list_is_a_file_of_the_folder(name: str) -> None:
    with pytest.raises(ValidationError):
        RetrieveRequest(center="alpha", list=name)
