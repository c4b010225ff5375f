"""How features and scores move when the field of view is cropped, by what the normalisation looks
at: ``python -m tests.benchmarks.bench_field_of_view --page deploy/guide/field-of-view.md``.

Features are those of PAT1 (``ANNULUS_REAL_DATA``). Scores are those of models on the radiomic
features of GTV and 6 mm ring, trained once under each setting on the demonstration's training
centre, of patients of its other centres.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pandas as pd

from deploy.demo.cohort import DEMO_CENTERS, CenterSpec, CohortMember, make_cohort, write_center
from feature_store.imaging.body_mask import body_mask
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.harmonize import harmonize_ct
from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import (
    FEATURE_NAMES,
    NORMALIZE_OVER,
    ExtractionSettings,
)
from feature_store.study_features import (
    LoadedStudy,
    compute_features,
    load_study,
    prepared,
)
from models.combined.combined_model import CombinedModel, train_combined_model
from models.survival.survival_data import Survival

CROPPED_BY = (None, 0.1, 0.2, 0.3)
"""Shares of width and height; `None` takes the first row and column away."""
SEED = 20260101
_MARGIN_MM = 12.0
"""Kept around the GTV, so that no crop cuts its ring of 6 mm."""
_MOVED = 0.1
_REGIONS = (Region.GTV, Region.RING_6MM)
_PAGE = """\
# The field of view and the scores

Every feature but those of shape is computed on an image that is normalised by mean and standard
deviation. Over the whole image, as the paper has it (`normalize_over = "image"`, the default), both
depend on how much air, couch and arm the reconstruction shows; over the patient alone
(`normalize_over = "body"`) they depend on it only where the patient is cut. This page is made by
`make bench-field-of-view` and measured, not estimated. Width and height of every slice are cropped
by 10, 20 and 30 %, the GTV with its ring of 6 mm staying inside.

## Features of a real patient

PAT1: 60 slices, {pat1_fov}, which is a part of the chest
already. Of the 1316 features of each region, the share that moves by more than 10 %, and the median
relative change; before them the standard deviation that normalises. The rows *one pixel* lose the
first row and column only, which moves the corner from which the grid of 1 mm is laid, and hardly
anything else.

| normalised over | cropped by | SD in HU | GTV: moved | GTV: median | 6 mm: moved | 6 mm: median |
| --- | --- | --- | --- | --- | --- | --- |
{features}

## Scores of the demonstration

{training} synthetic patients of centre A trained a model on GTV and ring of 6 mm (no network), once
under each setting; {external} patients of centres B and C are scored by it, cropped and not. A
change is in standard deviations of the linear predictor over the training patients. These patients
and models are synthetic: the table shows how scores behave, not how large a change is elsewhere.

| normalised over | cropped by | median change of the score | largest | risk group changes |
| --- | --- | --- | --- | --- |
{scores}

## What follows

The way is part of the extraction settings' digest, so a bundle scores only features that were made
in its own way, and `"body"` needs a bundle that was trained with it. What moves under `"body"` is
the grid, and the part of the body that the crop takes away. Reconstruct all patients with one field
of view where that is possible; where it is not, train with `normalize_over = "body"`.
"""


@dataclass(frozen=True)
class FeatureChange:
    """How the features of a region move: share beyond 10 %, median relative change."""

    moved: float
    median: float


def cropped(study: LoadedStudy, by: float | None) -> LoadedStudy:
    """Return a study whose slices lose that share of width and height, evenly, or on the side away
    from the GTV where that is too near to the edge; with `None` the first row and column.
    """
    volume, mask = study.volume, study.gtv_mask
    window: list[slice] = []
    for axis, (size, step) in enumerate(
        zip(volume.hu.shape[1:], volume.spacing_mm[1::-1], strict=True)
    ):
        if by is None:
            window.append(slice(1, size))
            continue
        kept = round(size * (1 - by))
        found = np.flatnonzero(mask.any(axis=(0, 2 - axis)))
        margin = int(np.ceil(_MARGIN_MM / step))
        least, most = found[-1] + margin + 1 - kept, found[0] - margin
        start = int(np.clip((size - kept) // 2, max(0, least), max(0, min(most, size - kept))))
        window.append(slice(start, start + kept))
    y, x = window
    dx, dy, _ = volume.spacing_mm
    origin = np.asarray(volume.origin_mm) + volume.axes @ (x.start * dx, y.start * dy, 0.0)
    return replace(
        study,
        volume=replace(
            volume,
            hu=np.ascontiguousarray(volume.hu[:, y, x]),
            origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        ),
        drawn=BoxedMask.of(mask[:, y, x]),
    )


def change(found: npt.NDArray[np.float64], before: npt.NDArray[np.float64]) -> FeatureChange:
    """Return how feature values, shape (1316,), moved."""
    relative = np.abs(found - before) / np.maximum(np.abs(before), 1e-12)
    return FeatureChange(float(np.mean(relative > _MOVED)), float(np.median(relative)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="file to write (default: standard output)")
    parser.add_argument("--training", type=int, default=60, help="patients that train")
    parser.add_argument("--external", type=int, default=16, help="patients that are scored")
    options = parser.parse_args(arguments)
    fov, features = pat1_rows(Path(os.environ["ANNULUS_REAL_DATA"]) / "pat1")
    text = _PAGE.format(
        pat1_fov=fov,
        features="\n".join(features),
        training=options.training,
        external=options.external,
        scores="\n".join(score_rows(options.training, options.external)),
    )
    if options.page is None:
        print(text, end="")
    else:
        options.page.write_text(text, encoding="utf-8")
    return 0


def pat1_rows(folder: Path) -> tuple[str, list[str]]:
    """Return PAT1's field of view in words, and the rows of its features."""
    (drawn,) = (folder / "rtstruct").glob("*.dcm")
    study = load_study(read_study(sorted((folder / "ct").glob("*.dcm")), drawn), "GTV-1")
    height, width = study.volume.hu.shape[1:]
    dx, dy, _ = study.volume.spacing_mm
    rows = []
    for over in NORMALIZE_OVER:
        settings = ExtractionSettings(normalize_over=over)
        before = compute_features(study, settings)
        for by in CROPPED_BY:
            found = compute_features(cropped(study, by), settings)
            changes = [
                change(found.vectors[region].values, before.vectors[region].values)
                for region in _REGIONS
            ]
            cells = [f"{c.moved:.1%} | {c.median:.2%}" for c in changes]
            sds = [sd_hu(one, settings) for one in (study, cropped(study, by))]
            deviations = " to ".join(f"{sd:.0f}" for sd in sds)
            rows.append(f"| `{over}` | {_in_words(by)} | {deviations} | {' | '.join(cells)} |")
    return f"{width * dx:.0f} mm wide and {height * dy:.0f} mm high", rows


def sd_hu(study: LoadedStudy, settings: ExtractionSettings) -> float:
    """Return the standard deviation that normalises the features of a study, in HU."""
    volume, _ = prepared(study, settings)
    over = body_mask(volume) if settings.normalize_over == "body" else None
    return harmonize_ct(volume, settings.spacing_mm, over).sd_hu


def score_rows(training: int, external: int) -> list[str]:
    """Return the rows of the scores."""
    at_a, *others = (
        replace(spec, patients=number, bad_study=None)
        for spec, number in zip(
            DEMO_CENTERS, (training, external // 2, external - external // 2), strict=True
        )
    )
    rows = []
    with TemporaryDirectory() as name:
        trained = list(_written(Path(name), at_a))
        scored = [study for spec in others for _, study in _written(Path(name), spec)]
        for over in NORMALIZE_OVER:
            settings = ExtractionSettings(normalize_over=over)
            table = _table([study for _, study in trained], settings)
            model = _trained(table, [member for member, _ in trained])
            spread = float(np.std(model.linear_predictor(table), ddof=1))
            before = model.linear_predictor(_table(scored, settings))
            for by in CROPPED_BY:
                after = model.linear_predictor(_table([cropped(s, by) for s in scored], settings))
                moved = np.abs(after - before) / spread
                groups = int(np.count_nonzero((after > model.cutoff) != (before > model.cutoff)))
                rows.append(
                    f"| `{over}` | {_in_words(by)} | {np.median(moved):.2f} | {moved.max():.2f} | "
                    f"{groups} of {len(scored)} |"
                )
    return rows


def _in_words(by: float | None) -> str:
    return "one pixel" if by is None else f"{by:.0%}"


def _written(folder: Path, spec: CenterSpec) -> Iterator[tuple[CohortMember, LoadedStudy]]:
    """Write a centre's studies as DICOM files, and yield them as they are read."""
    files = write_center(folder / spec.name, spec, SEED)
    for member, study in zip(make_cohort(spec, SEED), files.study_folders, strict=True):
        yield member, load_study(read_study(sorted(study.glob("CT*")), study / "RS.dcm"), "GTV-1")


def _table(studies: Sequence[LoadedStudy], settings: ExtractionSettings) -> pd.DataFrame:
    rows = [
        np.concatenate([vectors[region].values for region in _REGIONS])
        for vectors in (compute_features(study, settings).vectors for study in studies)
    ]
    return pd.DataFrame(
        np.array(rows),
        index=[f"p{number:03d}" for number in range(len(rows))],
        columns=[f"{region}:{name}" for region in _REGIONS for name in FEATURE_NAMES],
    )


def _trained(table: pd.DataFrame, members: Sequence[CohortMember]) -> CombinedModel:
    survival = Survival(
        np.array([member.survival_days for member in members], dtype=np.float64),
        np.array([member.event for member in members]),
    )
    blocks = tuple(str(region) for region in _REGIONS)
    return train_combined_model(table, survival, seed=SEED, blocks=blocks, horizons=(365, 730))


if __name__ == "__main__":
    raise SystemExit(main())
