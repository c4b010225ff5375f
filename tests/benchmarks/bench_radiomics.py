"""How much faster than PyRadiomics the features are, at equal values: ``make bench-radiomics [ARGS=--quick]``.

Case (b) is PAT1 within a whole planning CT: 512 x 512 x 130 slices of 0.977 x 0.977 x 3 mm, so 500 x 500 x 390 voxels
of 1 mm; GTV and rings of 3, 6 and 9 mm. What lies around PAT1's own CT is its mirror image. PyRadiomics needs 16 GB
and about eight minutes for it. ``--quick`` takes case (a), PAT1 as it is with GTV and 6 mm ring, in about a minute.

Both engines run one after the other on one core, PyRadiomics by `execute` for each region on the resampled image.
Times are CPU seconds of that core. End to end means from the CT's HU to the features: resampling (for PyRadiomics by
ITK's B-spline), making the regions and, for this project only, the network's input. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import SimpleITK

from feature_store.ct_volume import CtVolume
from feature_store.harmonize import resample_ct, resample_mask
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.pyradiomics_engine import extract_with_pyradiomics
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.regions import Region, make_regions
from feature_store.study_features import LoadedStudy, compute_features, load_study

ROOT = Path(__file__).resolve().parents[2]
PLANNING_CT = (130, 512, 512)
SETTINGS = ExtractionSettings()
RELATIVE, ABSOLUTE_BELOW_ONE = 1e-6, 1e-5
Vectors = Mapping[Region, FeatureVector]
_Result = TypeVar("_Result")


def main() -> int:
    """Run the benchmark; return 1 if a value differs from PyRadiomics'."""
    parser = argparse.ArgumentParser(description="Compare the speed and the values of this project and PyRadiomics.")
    parser.add_argument("--quick", action="store_true", help="PAT1 as it is, GTV and 6 mm ring: about a minute")
    quick: bool = parser.parse_args().quick
    folder = Path(os.environ.get("ANNULUS_REAL_DATA", ROOT.parent / "shared" / "data")) / "pat1"
    if not folder.is_dir():
        print(f"There is no PAT1 in {folder.parent}: set ANNULUS_REAL_DATA to the folder that holds pat1.")
        return 2
    on_one_core()
    study = pat1(folder)
    if not quick:
        study = within_planning_ct(study)
    widths = (6.0,) if quick else (3.0, 6.0, 9.0)
    _, cold_s = timed(lambda: compute_features(study, SETTINGS, widths))
    print(f"First call, with compiling or loading the kernels: {cold_s:.1f} CPU s end to end.")
    computed, whole_s = timed(lambda: compute_features(study, SETTINGS, widths))
    image, resample_s = timed(lambda: resample_ct(study.volume))
    mask = resample_mask(study.gtv_mask, study.volume, image)
    regions, regions_s = timed(lambda: make_regions(mask, image.GetSpacing(), widths))
    runs = [timed(lambda: extract(image, regions.masks, SETTINGS)) for _ in range(3)]
    ours, annulus_s = sorted(runs, key=lambda run: run[1])[1]
    peak_mb = peak_megabytes()
    print(
        f"This project: resampling {resample_s:.2f}, regions {regions_s:.2f}, features {annulus_s:.2f}; {peak_mb} MB."
    )
    _, itk_s = timed(lambda: itk_resample(study.volume, image))
    theirs, pyradiomics_s = timed(lambda: extract_with_pyradiomics(image, regions.masks, SETTINGS))
    print(f"PyRadiomics: resampling {itk_s:.2f}, features {pyradiomics_s:.2f} s; {peak_megabytes()} MB.")
    largest, wrong = differences(ours, theirs)
    _, wrong_end_to_end = differences(computed.vectors, theirs)
    for line in wrong[:5]:
        print(line)
    print(f"{len(wrong)} values beyond the tolerance; end to end {len(wrong_end_to_end)}.")
    result = {
        "case": "a" if quick else "b",
        "regions": len(regions.masks),
        "pyradiomics_s": round(pyradiomics_s, 3),
        "annulus_s": round(annulus_s, 3),
        "ratio": round(pyradiomics_s / annulus_s, 1),
        "end_to_end_ratio": round((itk_s + regions_s + pyradiomics_s) / whole_s, 1),
        "peak_mb": peak_mb,
        "max_rel": largest,
        "n_features": len(FEATURE_NAMES) * len(regions.masks),
    }
    print(json.dumps(result))
    return 1 if wrong else 0


def on_one_core() -> None:
    """Keep this process, and ITK's threads, to one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    process_object: Any = SimpleITK.ProcessObject
    process_object.SetGlobalDefaultNumberOfThreads(1)


def pat1(folder: Path) -> LoadedStudy:
    """Read PAT1 in place."""
    return load_study(sorted((folder / "ct").glob("*.dcm")), next((folder / "rtstruct").glob("*.dcm")), "gtv.*")


def within_planning_ct(study: LoadedStudy) -> LoadedStudy:
    """Continue a CT by its mirror image to the size of a planning CT, the GTV at its place in the middle."""
    margins = [((n - m) // 2, n - m - (n - m) // 2) for n, m in zip(PLANNING_CT, study.volume.hu.shape, strict=True)]
    first = np.array([before for before, _ in reversed(margins)]) * study.volume.spacing_mm
    volume = replace(
        study.volume,
        hu=np.pad(study.volume.hu, margins, mode="reflect"),
        origin_mm=tuple((np.asarray(study.volume.origin_mm) - study.volume.axes @ first).tolist()),
        sop_instance_uids=tuple(f"1.{index}" for index in range(PLANNING_CT[0])),
    )
    return replace(study, volume=volume, gtv_mask=np.pad(study.gtv_mask, margins))


def timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    """Return a result and the CPU seconds it took."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def itk_resample(volume: CtVolume, reference: Any) -> Any:
    """Resample by ITK's B-spline interpolator to the grid of `reference`."""
    make_filter: Any = SimpleITK.ResampleImageFilter
    resample = make_filter()
    resample.SetReferenceImage(reference)
    resample.SetInterpolator(SimpleITK.sitkBSpline)
    return resample.Execute(volume.to_image())


def peak_megabytes() -> int:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def differences(ours: Vectors, theirs: Vectors) -> tuple[float, list[str]]:
    """Return the largest difference, relative where a value is at least 1, and a line for each beyond the tolerance."""
    largest, wrong = 0.0, []
    for region, vector in theirs.items():
        size = np.abs(vector.values)
        off = np.abs(ours[region].values - vector.values)
        largest = max(largest, float((off / np.maximum(size, 1)).max()))
        tolerance = np.where(size < 1, ABSOLUTE_BELOW_ONE, RELATIVE * size)
        for index in np.flatnonzero(off > tolerance):
            found, wanted = ours[region].values[index], vector.values[index]
            wrong.append(f"{region}:{FEATURE_NAMES[index]} is {found!r}, PyRadiomics has {wanted!r}")
    return largest, wrong


if __name__ == "__main__":
    sys.exit(main())
