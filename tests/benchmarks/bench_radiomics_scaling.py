"""What a study costs, and that a cohort costs no more memory than a study: ``make
bench-radiomics-scaling``.

First a cohort of real studies (PAT1 and the soft-tissue sarcomas in turn), each from its DICOM
files to its rows in a feature store, in one process: the largest resident size after ten and after
all. Then a ball in PAT1's CT, continued by its mirror image to the field of view: CPU seconds of
one core from HU to the features of the ball and its rings, by radius of the ball, edge of the field
of view and number of rings. Each row changes one of them. ``ARGS=--studies=20`` takes a smaller
cohort. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from itertools import cycle, islice
from statistics import median

import numpy as np

from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.harmonize import harmonize_ct, harmonize_mask
from feature_store.imaging.reading import read_ct, read_study
from feature_store.imaging.regions import make_regions
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import compute_features, load_study
from feature_store.study_identity import StudyIdentity
from feature_store.tables.store import FeatureStore
from tests.benchmarks.bench_radiomics import peak_megabytes, timed
from tests.benchmarks.planning_ct import real_data
from tests.support.real_data import real_study

SETTINGS = ExtractionSettings()
RINGS = (3.0, 6.0, 9.0)
TYPICAL = (20.0, 500.0, 1)
SWEEP = (
    TYPICAL,
    *((radius, *TYPICAL[1:]) for radius in (5.0, 10.0, 40.0)),
    *((TYPICAL[0], edge, TYPICAL[2]) for edge in (200.0, 350.0)),
    *((*TYPICAL[:2], rings) for rings in (0, 2, 3)),
)


def main() -> None:
    """Print the table and the memory of the cohort."""
    parser = argparse.ArgumentParser(
        description="Show what features cost by size, and what memory a cohort takes."
    )
    parser.add_argument("--studies", type=int, default=100, help="size of the cohort")
    studies: int = parser.parse_args().studies
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = real_data()
    memory = cohort_memory(studies)
    volume = ct_volume(read_ct(real_study(data / "pat1").ct))
    seconds(volume, *TYPICAL)  # compiles
    print("| radius mm | field of view mm | rings | GTV mm3 | harmonise s | features s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for radius_mm, edge_mm, rings in SWEEP:
        voxels, harmonize_s, features_s = seconds(volume, radius_mm, edge_mm, rings)
        print(
            f"| {radius_mm:g} | {edge_mm:g} | {rings} | {voxels} | {harmonize_s:.2f} | "
            f"{features_s:.2f} |",
            flush=True,
        )
    print(json.dumps(memory))


def seconds(
    volume: CtVolume, radius_mm: float, edge_mm: float, rings: int
) -> tuple[int, float, float]:
    """Return the voxels of a ball, and the median CPU seconds of three runs to harmonise and to
    extract.
    """
    wide = widened(volume, edge_mm)
    axes = (np.arange(n) - n // 2 for n in wide.hu.shape)
    z, y, x = (along * step for along, step in zip(axes, wide.spacing_mm[::-1], strict=True))
    ball = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius_mm**2
    harmonized = [timed(lambda: harmonize_ct(wide)) for _ in range(3)]
    ct = harmonized[0][0]
    gtv = harmonize_mask(ball, wide, ct)
    regions = make_regions(gtv, ct.spacing_mm, RINGS[:rings])
    extracted = [timed(lambda: extract(ct, regions.masks, SETTINGS))[1] for _ in range(3)]
    return gtv.count, median(spent for _, spent in harmonized), median(extracted)


def widened(volume: CtVolume, edge_mm: float) -> CtVolume:
    """Continue a CT by its mirror image to an edge within slices, and to 0.8 of it along the
    normal.
    """
    wanted = [
        round(edge_mm * part / step)
        for part, step in zip((0.8, 1, 1), volume.spacing_mm[::-1], strict=True)
    ]
    margins = [
        ((max(n, m) - m) // 2, max(n, m) - m - (max(n, m) - m) // 2)
        for n, m in zip(wanted, volume.hu.shape, strict=True)
    ]
    hu = np.pad(volume.hu, margins, mode="reflect")
    return volume.with_values(hu)


def cohort_memory(studies: int) -> dict[str, int]:
    """Extract and store the features of a cohort of real studies, and return the largest resident
    sizes in MB.
    """
    data = real_data()
    folders = [data / "pat1", *sorted((data / "sts").glob("STS_*"))]
    after_ten = 0.0
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(folder)
        for number, path in enumerate(islice(cycle(folders), studies)):
            files = real_study(path)
            features = compute_features(
                load_study(read_study(files.ct, files.rtstruct), "gtv.*"), SETTINGS
            )
            identity = StudyIdentity("B", f"patient-{number}", f"study-{number}", f"{number:064x}")
            store.put_radiomics(identity, features.vectors)
            store.put_deep_input(identity, features.deep_input)
            if number == 9:
                after_ten = peak_megabytes()
    return {"studies": studies, "peak_mb_10": round(after_ten), "peak_mb": round(peak_megabytes())}


if __name__ == "__main__":
    main()
