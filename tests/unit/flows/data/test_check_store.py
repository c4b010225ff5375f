"""What the registry calls done has its rows, whatever a power cut or a lost disk took; what has
none is made again, once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.registry.registry import StudyState
from feature_store.tables import table_upkeep
from feature_store.tables.store import StudyIdentity
from flows.data.check_store import lost_rows, repair_store, store_findings
from flows.dispatch.housekeeping import Housekeeping
from flows.installation import Installation
from flows.settings import Settings
from tests.support.intake_bench import Bench
from tests.torture.power_loss import MODEL, cut_power, write


@pytest.mark.slow
def test_every_verdict_has_its_row_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_upkeep, "_CHECKPOINT_EVERY", 3)
    result = cut_power(tmp_path, scores=6, seed=3, share=0.1)
    assert result.scores == 6
    assert result.within_a_write > 3
    assert result.verdicts_without_row == 0
    assert result.stores_not_usable == 0
    assert result.damaged  # so that something was there to be mended


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


@pytest.fixture
def work(bench: Bench, tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{bench.folder}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
        f"[model]\nbundle = 'bundles/x'\ndigest = '{MODEL}'\n"
    )
    work = Installation(Settings.load(tmp_path / "annulus.toml"))
    yield work
    work.registry.close()


def scored(bench: Bench, work: Installation, number: int) -> str:
    bench.complete(number)
    item = bench.claim()
    study = StudyIdentity("alpha", item.patient_key, item.study_key, item.content_digest)
    with work.store.writing_beside() as store:
        write(store, study, number)
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, MODEL, StudyState.SCORED, None, None
    )
    return item.study_key


def test_an_older_back_up_of_the_store_is_found_and_its_studies_are_made_again_once(
    bench: Bench, work: Installation, tmp_path: Path
) -> None:
    store = Path(work.settings.store_location())
    scored(bench, work, 1)
    assert store_findings(work) == []
    shutil.copytree(store, tmp_path / "back-up")
    late = scored(bench, work, 2)
    shutil.rmtree(store)
    shutil.copytree(tmp_path / "back-up", store)
    work = Installation(work.settings)
    (found,) = store_findings(work)
    assert f"calls 1 study done whose rows the store lacks, the first is {late}" in found
    Housekeeping(work).check_store()
    assert bench.state(late)[0] is StudyState.QUEUED
    assert lost_rows(work).studies == ()
    assert repair_store(work) == []  # once
    item = bench.claim()
    assert item.study_key == late
    study = StudyIdentity("alpha", item.patient_key, item.study_key, item.content_digest)
    write(work.store, study, 2)
    bench.registry.outbox.finish(late, item.content_digest, MODEL, StudyState.SCORED, None, None)
    assert store_findings(work) == []
    work.registry.close()


def test_a_store_that_is_damaged_is_told_and_nothing_is_made_again_before_it_is_mended(
    bench: Bench, work: Installation
) -> None:
    study_key = scored(bench, work, 1)
    shutil.rmtree(Path(work.settings.store_location()) / "scores" / "_delta_log")
    housekeeping = Housekeeping(work)
    housekeeping.check_store()
    assert bench.state(study_key)[0] is StudyState.SCORED
    assert "it is damaged, not empty" in store_findings(work)[0]
    assert repair_store(work)[0].startswith("scores: log made anew from 1 file;")
    assert bench.state(study_key)[0] is StudyState.SCORED  # its row was found again
    assert store_findings(work) == []
