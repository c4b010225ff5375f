"""Writes beside the work: in order, awaited, and none that fails goes unheard."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from feature_store.errors import StudyDefect
from feature_store.tables.background_writes import BackgroundWrites
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.store import FeatureStore
from tests.support.feature_stores import KVP, check, identity

CHECK = check("study", identity("B", 1), KVP)


def test_writes_keep_their_order_and_are_awaited() -> None:
    written: list[int] = []
    let_go = threading.Event()

    def write(number: int) -> None:
        assert let_go.wait(30)
        written.append(number)

    with BackgroundWrites() as writes:
        for number in range(20):
            writes.give(write, number)
        assert written == []  # nobody has waited for them
        let_go.set()
    assert written == list(range(20))


def test_the_first_that_fails_is_raised_after_the_last_is_done() -> None:
    done: list[str] = []

    def fail(sentence: str) -> None:
        raise StoreError(sentence)

    # What is tested
    with pytest.raises(StoreError, match="the first"), BackgroundWrites() as writes:  # noqa: PT012
        writes.give(fail, "the first")
        writes.give(fail, "the second")
        writes.give(done.append, "the third")
    assert done == ["the third"]


def test_rows_written_beside_a_verdict_are_kept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    # As above
    with pytest.raises(StudyDefect, match="not a study"), store.writing_beside() as beside:  # noqa: PT012
        beside.put_check(CHECK)
        raise StudyDefect("study", "not a study")
    assert store.checks("B") == (CHECK,)


def test_a_verdict_whose_rows_cannot_be_kept_is_none(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the store's folder should be")
    store = FeatureStore(tmp_path / "store")
    # As above
    with pytest.raises(StoreError, match="checks cannot be"), store.writing_beside() as beside:  # noqa: PT012
        beside.put_check(CHECK)
        raise StudyDefect("study", "not a study")


def test_a_pinned_store_is_not_written_beside_either(tmp_path: Path) -> None:
    pinned = FeatureStore(tmp_path / "store").pinned()
    with pinned.writing_beside() as beside, pytest.raises(StoreError, match="pinned to versions"):
        beside.put_check(CHECK)
