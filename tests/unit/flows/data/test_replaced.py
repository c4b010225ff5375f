"""A score of images that were replaced leaves every cohort, before the newer ones are scored and
whatever patient or study they are now; what was read before can be read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_node.registry.registry import StudyState
from feature_store.study_identity import StudyIdentity
from feature_store.tables.query import Contents, StoreQuery, ask
from feature_store.tables.store import ScoreRow
from flows.data.identity import identity_of
from flows.data.replaced import note_replaced
from flows.installation import Installation
from flows.settings import Settings
from tests.support.intake_bench import Bench, center, ct_slice, rtstruct

MODEL = "m" * 64


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node", replacing=("alpha",))
    yield bench
    bench.close()


@pytest.fixture
def work(bench: Bench, tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{bench.folder}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
    )
    work = Installation(Settings.load(tmp_path / "annulus.toml"))
    yield work
    work.registry.close()


def _study(patient: str = "P1", study: str = "1.2.1") -> Sequence[Dataset]:
    slices = [ct_slice(index, patient=patient, study=study) for index in range(3)]
    listed = [str(one.SOPInstanceUID) for one in slices]
    return [*slices, rtstruct(listed, patient=patient, study=study)]


def _score(bench: Bench, work: Installation) -> StudyIdentity:
    """Score the study that waits, and return what of it was scored."""
    item = bench.claim()
    content = identity_of(work.registry.outbox.files(item.study_key, item.content_digest))
    work.store.put_score(
        ScoreRow(
            content, MODEL, 0.1, True, {365: 0.5}, 1, (), "test", datetime(2026, 1, 2, tzinfo=UTC)
        )
    )
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, MODEL, StudyState.SCORED, None, None
    )
    return content


def _counting(work: Installation) -> set[StudyIdentity]:
    scores = {one.identity: one.scored_at for one in work.store.scores(MODEL, "alpha")}
    return {one.identity for one in work.store.study_order("alpha").first(scores).values()}


@pytest.mark.parametrize("now", [{"patient": "P2"}, {"study": "1.2.7"}], ids=str)
def test_a_score_leaves_every_cohort_when_its_images_are_replaced(
    bench: Bench, work: Installation, now: dict[str, str]
) -> None:
    bench.push(*_study())
    old = _score(bench, work)
    assert note_replaced(work) == 0
    assert _counting(work) == {old}
    before = work.store.versions()
    bench.push(*_study(**now))
    assert note_replaced(work) == 1
    assert _counting(work) == set()  # the newer content still waits
    versions = work.store.versions()
    assert note_replaced(work) == 0
    assert work.store.versions() == versions
    bench.clock.advance(61)
    bench.registry.studies.settle(center())
    new = _score(bench, work)
    assert new != old
    assert note_replaced(work) == 0
    assert _counting(work) == {new}
    newest = ask(work.store, StoreQuery(Contents.SCORES, newest=True))
    assert list(newest["content_digest"]) == [new.content_digest]
    assert len(ask(work.store, StoreQuery(Contents.SCORES))) == 2  # it stays for what named it
    assert work.store.pinned(before).study_order("alpha").replaced == frozenset()
