"""What a study costs beside its features: ``make bench-store``.

A feature store with 100, 1000 and 4000 studies of random numbers (``ARGS="--sizes 100"`` for half a
minute): the CPU seconds that the rows of one more study take, the bytes of a row of each table, and
the CPU seconds to read all features and scores. Then a store that is filled as in operation, one
study at a time, so that each study is a version of each table: the CPU seconds of one study when
there are 100 versions and when there are 5000, and their ratio, which must not be above 1.5
(``ARGS="--versions 1000"`` takes minutes instead of half an hour, and names its ratio after it).
Then the registry on SQLite: CPU seconds and bytes for a study of 100 slices after its reception,
and those of the expectations. The last line is JSON; `deploy/guide/capacity.md` goes on from it.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from dicom_node.registry.registry import StudyState
from feature_store.expectations.checks import Check
from feature_store.expectations.suites import check_regions, check_study
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.rules import Finding, Severity
from feature_store.tables.query import Contents, StoreQuery, ask
from feature_store.tables.rows import row_of_check, row_of_score
from feature_store.tables.store import FeatureStore, ScoreRow, StudyIdentity
from tests.support.feature_stores import check
from tests.support.intake_bench import Bench, ct_slice, rtstruct
from tests.support.study_facts import GOOD, GOOD_REGIONS

REGIONS = (Region.GTV, Region.RING_6MM)
TABLES = ("radiomics", "deep_input", "deep", "scores", "checks")
ONE_BY_ONE = 12
FEW_VERSIONS = 100
HIGHEST_RATIO = 1.5
MEASURED = 50
"""Studies of which the median is taken, at few versions and at many."""
JOINED = 400
"""Studies of which the mean is taken, so that the joining of files is in it."""
SMALL_INPUT = 4096
"""Bytes of the network inputs that are written one by one, in place of a megabyte: their number is
measured, not their size.
"""
INPUTS = 50
RANDOM = np.random.default_rng(1)


def main() -> None:
    """Print what a study costs in the store, the registry and the expectations."""
    parser = argparse.ArgumentParser(
        description="Show what a study costs in the store and the registry."
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[100, 1000, 4000], help="studies in the store"
    )
    parser.add_argument(
        "--versions", type=int, default=5000, help="studies that are written one by one; 0: none"
    )
    parser.add_argument(
        "--fill-further",
        type=Path,
        metavar="FOLDER",
        help="write one by one in this folder, and go on where an earlier call was stopped",
    )
    options = parser.parse_args()
    sizes: list[int] = sorted(options.sizes)
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        result.update(store_costs(Path(folder) / "store", sizes))
        result.update(registry_costs(Path(folder) / "node"))
        if options.versions:
            filled = options.fill_further or Path(folder) / "one by one"
            result.update(version_costs(filled, options.versions))
    check_study(GOOD)
    result["expectations_s"] = round(
        median(seconds(lambda: (check_study(GOOD), check_regions(GOOD_REGIONS))) for _ in range(9)),
        3,
    )
    print(json.dumps(result))
    ratio = result.get(f"write_ratio_{options.versions}_to_{FEW_VERSIONS}", 0.0)
    if isinstance(ratio, float) and ratio > HIGHEST_RATIO:
        raise SystemExit(f"a study costs {ratio} times as much: expected {HIGHEST_RATIO} at most")


def store_costs(folder: Path, sizes: list[int]) -> dict[str, object]:
    """Return seconds to add a study and to read all, by the size of the store, and bytes of a study
    by table.
    """
    store = FeatureStore(folder)
    there, add_s, read_s, query_s = 0, {}, {}, {}
    for size in sizes:
        fill(store, there, size)
        there = size
        times = [seconds(lambda number=size + n: add(store, number)) for n in range(ONE_BY_ONE)]  # type: ignore[misc]
        add_s[size] = round(median(times), 3)
        there += ONE_BY_ONE
        store.compact()
        read_s[size] = round(seconds(lambda: store.features("B", REGIONS, "s", "n")), 2)
        query_s[size] = round(seconds(lambda: ask(store, StoreQuery(Contents.SCORES))), 2)
        print(
            f"{size} studies: one more {add_s[size]} s, all features {read_s[size]} s, all scores "
            f"{query_s[size]} s"
        )
    sizes_of = {
        name: round(
            live_bytes(folder / name)
            / (ONE_BY_ONE * len(sizes) + (INPUTS if name == "deep_input" else there))
        )
        for name in TABLES
    }
    return {"add_s": add_s, "features_s": read_s, "scores_s": query_s, "bytes_per_study": sizes_of}


def version_costs(folder: Path, versions: int) -> dict[str, object]:
    """Return CPU seconds of a study's rows after 100 and after many studies that were written one
    by one, and their ratio; a folder that an earlier call was stopped in is filled further.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "seconds.json"
    times: list[float] = json.loads(kept.read_text()) if kept.exists() else []
    store = FeatureStore(folder / "store")
    for number in range(len(times), versions + MEASURED):
        times.append(seconds(lambda number=number: write_beside(store, number)))  # type: ignore[misc]
        if number % 50 == 49:
            kept.write_text(json.dumps(times))
        if number % 500 == 0:
            print(f"{number} studies, one at a time: {times[-1]:.3f} s", flush=True)
    few, many = (median(times[start : start + MEASURED]) for start in (FEW_VERSIONS, versions))
    return {
        "one_by_one_s": {FEW_VERSIONS: round(few, 4), versions: round(many, 4)},
        "with_joining_s": round(mean(times[-JOINED:]), 4),
        "one_by_one_deep_input_bytes": SMALL_INPUT,
        f"write_ratio_{versions}_to_{FEW_VERSIONS}": round(many / few, 2),
    }


def write_beside(store: FeatureStore, number: int) -> None:
    """Write the rows of one study beside its computing, as the flow does."""
    with store.writing_beside() as beside:
        add(beside, number, RANDOM.bytes(SMALL_INPUT))


def fill(store: FeatureStore, start: int, end: int) -> None:
    """Write the rows of many studies at once; of the large network inputs only some."""
    for first in range(start, end, 1000):
        numbers = range(first, min(first + 1000, end))
        studies = [asdict(identity(number)) for number in numbers]
        store._write(
            "radiomics",
            [
                {
                    **study,
                    "region": str(region),
                    "settings_digest": "s",
                    "features": values(len(FEATURE_NAMES)),
                }
                for study in studies
                for region in REGIONS
            ],
        )
        store._write(
            "deep", [{**study, "network_digest": "n", "features": values(512)} for study in studies]
        )
        store._write("scores", [row_of_score(score(number)) for number in numbers])
        store._write(
            "checks",
            [row_of_check(one) for number in numbers for one in checks(identity(number))],
        )
        if first == 0:
            for study in studies[:INPUTS]:
                store._write("deep_input", [{**study, "voxels": voxels().tobytes()}])


def add(store: FeatureStore, number: int, network_input: bytes | None = None) -> None:
    """Write the rows of one study, as the flow does; by default with a network input of noise."""
    study = identity(number)
    for one in checks(study):
        store.put_check(one)
    vectors = {
        region: FeatureVector(region, np.array(values(len(FEATURE_NAMES))), "s")
        for region in REGIONS
    }
    store.put_radiomics(study, vectors)
    if network_input is None:
        store.put_deep_input(study, voxels())
    else:
        store._write("deep_input", [{**asdict(study), "voxels": network_input}])
    store.put_deep(study, np.array(values(512)), "n")
    store.put_score(score(number))


def identity(number: int) -> StudyIdentity:
    """Return the pseudonyms of a study, as long as real ones."""
    return StudyIdentity("B", f"p{number:015d}", f"s{number:015d}", f"{number:064x}")


def score(number: int) -> ScoreRow:
    """Return a score."""
    warnings = tuple(finding.sentence for finding in findings())
    survival = {365: 0.7, 730: 0.5, 1095: 0.4}
    return ScoreRow(
        identity(number), "m" * 64, 0.1, True, survival, 1, warnings, "0.1.0", datetime.now(UTC)
    )


def checks(study: StudyIdentity) -> tuple[Check, Check]:
    """Return what came of both suites of a study: two warnings."""
    return (check("study", study, *findings()), check("regions", study))


def findings() -> tuple[Finding, ...]:
    """Return two warnings."""
    return (
        Finding(Severity.WARNING, "kvp", "The tube voltage is 140 kV, expected 120 kV."),
        Finding(
            Severity.WARNING,
            "clinical-incomplete",
            "The clinical record does not say age, expected it.",
        ),
    )


def values(count: int) -> list[float]:
    """Return numbers that cannot be compressed, as features cannot."""
    return [float(value) for value in RANDOM.normal(size=count)]


def voxels() -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """Return a network input of noise."""
    return RANDOM.normal(size=(64, 64, 64)).astype(np.float32)


def registry_costs(folder: Path, studies: int = 12, slices: int = 100) -> dict[str, object]:
    """Return seconds and bytes of a study in the registry, its reception left out."""
    bench = Bench(folder)
    times = []
    for number in range(studies):
        study, series = f"1.2.{number}", f"1.2.{number}.1"
        images = [ct_slice(index, study=study, series=series) for index in range(slices)]
        bench.push(
            *images,
            rtstruct([str(one.SOPInstanceUID) for one in images], study=study, sop=f"{study}.9.1"),
        )
        times.append(seconds(lambda: finish(bench)))
    bench.close()
    with sqlite3.connect(folder / "registry.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = sum(path.stat().st_size for path in folder.glob("registry.sqlite*"))
    return {"registry_s": round(median(times), 4), "registry_bytes_per_study": size // studies}


def finish(bench: Bench) -> None:
    """Claim, score and deliver a study, as far as the registry is concerned."""
    item = bench.registry.outbox.claim("worker", 60)
    assert item is not None
    bench.registry.outbox.files(item.study_key)
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, "m", StudyState.SCORED, "why", Path("report.dcm")
    )
    for delivery in bench.registry.deliveries.due(["alpha"]):
        bench.registry.deliveries.mark_delivered(delivery.id)


def live_bytes(table: Path) -> int:
    """Return the size of the files of the newest version of a table."""
    return int(
        sum(
            pa.table(DeltaTable(table).get_add_actions(flatten=True))
            .column("size_bytes")
            .to_pylist()
        )
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes, of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
