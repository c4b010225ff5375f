"""How far perturbed contours of real tumours lie from the drawn ones, and how far the score of a
model moves over them.

``make bench-certainty`` perturbs PAT1 and six sarcomas as the settings' defaults say, prints Dice
coefficient, volume ratio and distance of the surfaces on the CT's grid, and scores the contours by
a bundle that is trained on made-up features, so that the ranges show how the system behaves and not
how sure a real model is. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from feature_store.imaging.contour_difference import contour_difference
from feature_store.imaging.perturbation import Perturbation
from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import load_study, perturbed_contours, prepared
from flows.studies.certainty import score_contours
from models.bundle.frozen_bundle import FrozenBundle, load, read_digest
from models.combined.certainty import score_range
from tests.benchmarks.planning_ct import real_data
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.real_data import real_study

STUDIES = (
    "pat1",
    "sts/STS_001",
    "sts/STS_002",
    "sts/STS_003",
    "sts/STS_008",
    "sts/STS_019",
    "sts/STS_025",
)


def main() -> int:
    """Measure, print, and return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.bench_certainty", description=__doc__
    )
    parser.add_argument("--contours", type=int, default=20, help="of each study")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="annulus-certainty-") as name:
        folder = Path(name) / "bundle"
        freeze_test_bundle(folder)
        bundle = load(folder, read_digest(folder))
    found = {name: measured(bundle, name, options.contours) for name in STUDIES}
    print(json.dumps(found))
    return 0


def measured(bundle: FrozenBundle, name: str, contours: int) -> dict[str, float]:
    """Perturb and score one study; print and return what came of it."""
    files, settings = real_study(real_data() / name), ExtractionSettings()
    study = load_study(read_study(files.ct, files.rtstruct), "gtv.*")
    volume, drawn = prepared(study, settings)
    started = time.process_time()
    masks = perturbed_contours(study, settings, contours, name, Perturbation())
    answers = score_contours(bundle, study, settings, (drawn, *masks))
    seconds = time.process_time() - started
    score, *others = answers.linear_predictors
    assert score is not None
    cutoff = bundle.model.cutoff
    found = score_range(others, high_risk=score > cutoff, cutoff=cutoff)
    assert found is not None
    differences = [contour_difference(one, drawn, volume.spacing_mm) for one in masks]
    row = {
        "gtv_cm3": drawn.count * float(np.prod(volume.spacing_mm)) / 1000,
        "dice": float(np.mean([one.dice for one in differences])),
        "volume_ratio": float(np.mean([one.volume_ratio for one in differences])),
        "surface_mm": float(np.mean([one.surface_mm for one in differences])),
        "score": score,
        "p10": found.p10,
        "p90": found.p90,
        "other_group": found.other_group,
        "cpu_s": seconds,
    }
    row = {key: round(value, 3) for key, value in row.items()}
    print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in row.items()), flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
