"""Power cuts under the feature store: ``python -m tests.torture.power_loss --scores 100``.

Studies are written as the flow writes them, and their verdicts recorded. At moments of every kind,
within a write and between two, the store is copied as a power cut would leave it: what was not
fsynced is cut to nothing, torn or gone, as luck has it. Of each copy it is counted how many
verdicts that the registry holds at that moment have no row after the mending that the dispatcher
does at its start. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from dicom_node.registry.registry import StudyState
from feature_store.imaging.regions import Region
from feature_store.tables import table_upkeep
from feature_store.tables.store import FeatureStore, ScoreRow, StudyIdentity
from flows.data.check_store import lost_rows
from flows.installation import Installation
from flows.settings import Settings
from tests.support.feature_stores import KVP, check, vector
from tests.support.intake_bench import Bench
from tests.support.power_loss import Disk

MODEL = "11" * 32


@dataclass
class PowerCuts:
    """What came of power cuts.

    Parameters
    ----------
    scores : int
        Verdicts recorded.
    states : int
        Power cuts, each a copy of the store.
    within_a_write : int
        Those of them while rows were on their way.
    damaged : mapping of str to int
        How many tables were found with each kind of damage.
    verdicts_without_row : int
        Verdicts recorded at the moment of a cut whose rows the store did not have after the check
        at start; summed over the cuts.
    stores_not_usable : int
        Copies that could not be written to after the check at start.
    """

    scores: int
    states: int
    within_a_write: int
    damaged: dict[str, int]
    verdicts_without_row: int
    stores_not_usable: int


def cut_power(folder: Path, scores: int, seed: int, share: float = 0.02) -> PowerCuts:
    """Write studies, and cut the power now and then.

    Parameters
    ----------
    folder : Path
        An empty folder.
    scores : int
        Studies to write.
    seed : int
        Decides when, and what survives.
    share : float
        Part of the fsyncs after which the power is cut.
    """
    luck = Random(seed)
    bench = Bench(folder / "node")
    live = _installation(folder, folder / "node" / "feature_store")
    result, damaged = PowerCuts(0, 0, 0, {}, 0, 0), Counter[str]()
    is_writing = False

    def cut(fate: Random | None) -> None:
        after = folder / f"after-{result.states}"
        result.states += 1
        result.within_a_write += is_writing
        disk.after_power_loss(after, fate)
        work = _installation(folder, after)
        damaged.update(str(defect.damage) for defect in work.store.defects())
        # the registry goes on in this simulation, so nothing may be given back to it here
        work.store.repair(harmless_only=True)
        result.stores_not_usable += bool(work.store.defects())
        lost = lost_rows(work)
        result.verdicts_without_row += len(lost.studies) + lost.by_other_models
        shutil.rmtree(after)

    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(
            folder / "node" / "feature_store",
            patch,
            lambda: cut(luck) if is_writing and luck.random() < share else None,
        )
        (folder / "node" / "feature_store").mkdir()
        for number in range(scores):
            study_key = bench.complete(number + 1)
            item = bench.claim()
            study = StudyIdentity("alpha", item.patient_key, study_key, item.content_digest)
            is_writing = True
            with live.store.writing_beside() as store:
                write(store, study, number)
            is_writing = False
            bench.registry.outbox.finish(
                study_key, item.content_digest, MODEL, StudyState.SCORED, None, None
            )
            result.scores += 1
            cut(luck)
        cut(None)
    bench.close()
    result.damaged = dict(damaged)
    return result


def write(store: FeatureStore, study: StudyIdentity, number: int) -> None:
    """Write the rows of one study, as the flow does."""
    for suite in ("study", "contours", "voxels", "regions"):
        store.put_check(check(suite, study, KVP))
    store.put_radiomics(study, {Region.GTV: vector(Region.GTV, number)})
    store.put_score(
        ScoreRow(study, MODEL, 0.1, True, {730: 0.5}, 1, (), "0.1.0", datetime.now(UTC))
    )


def _installation(folder: Path, store: Path) -> Installation:
    settings = folder / "annulus.toml"
    settings.write_text(
        f"[node]\nfolder = '{folder / 'node'}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
        f"[features]\nstore = '{store}'\n"
    )
    return Installation(Settings.load(settings))


def main() -> None:
    """Print what power cuts did, and fail if a verdict has no row."""
    parser = argparse.ArgumentParser(description="Cut the power under the feature store.")
    parser.add_argument("--scores", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # so that a short run compacts and sums up the log as a long one does
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(table_upkeep, "_CHECKPOINT_EVERY", 10),
    ):
        result = cut_power(Path(folder), options.scores, options.seed)
    print(json.dumps(asdict(result)))
    if result.verdicts_without_row or result.stores_not_usable:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
