"""How much faster than PyRadiomics the features are, at equal values: ``make bench-radiomics
[ARGS=--quick]``.

Case (b) is PAT1 within a whole planning CT: 512 x 512 x 130 slices of 0.977 x 0.977 x 3 mm, so 500
x 500 x 390 voxels of 1 mm; GTV and rings of 3, 6 and 9 mm. What lies around PAT1's own CT is its
mirror image. PyRadiomics needs 16 GB and about a quarter of an hour for it. ``--quick`` takes case
(a), PAT1 as it is with GTV and 6 mm ring, in a minute; ``--patients`` compares the values of all
real patients.

Each engine has a process of its own, one after the other on the same core; times are CPU seconds.
PyRadiomics runs `execute` for each region on the harmonised image; then, for case (b), the same on
an image that is already normalised and cut to the regions with 50 voxels (10 sigma of the largest
filter) around them. "Features" starts from the CT's slices on the new grid, so for this project it
includes what of the volume must be interpolated. "End to end" is from DICOM files to features; for
PyRadiomics it is reading by SimpleITK, resampling by ITK's B-spline and `execute`, with the
contour's mask and the rings for nothing. What the first call costs more than a later one is shown
for a process that must compile the kernels, and for the next, which finds them. The last line is
JSON.

``--pictologics``, and the whole run, also compare with pictologics, the fastest other engine that
is known, for case (b) with GTV and 6 mm ring: an IBSI engine with features of its own, here the
same 14 images of 1 mm, 16 bins, and linear interpolation as in its own standard configurations;
once more with cubic interpolation, as this project's is (`pictologics_cubic_ratio`). From the CT
and the regions in memory to the features, one thread each, warm; for this project harmonising and
making the ring are included. It gets an environment of its own in `.pictologics`, which needs
Python 3.12 or later, and compiles for minutes at its first run. `two_core_speedup` is this
project's wall time for that on one core over that on two, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import SimpleITK
from scipy.ndimage import distance_transform_edt

from feature_store.cores import CORES_VARIABLE
from feature_store.imaging.boxed_mask import BoxedMask, relative, union, with_margin
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.harmonize import harmonize_ct, harmonize_mask
from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region, make_regions
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.pyradiomics_engine import execute, extract_with_pyradiomics
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.study_features import compute_features, load_study
from tests.benchmarks.planning_ct import real_data, within_planning_ct
from tests.support import ROOT
from tests.support.real_data import StudyFiles, real_study

SETTINGS = ExtractionSettings()
RELATIVE, ABSOLUTE_BELOW_ONE = 1e-6, 1e-5
CROP_MARGIN = 50
REPEATS = 3
PICTOLOGICS = "0.9.0"
MODULE = f"tests.benchmarks.{Path(__file__).stem}"
Timings = dict[str, float]
_Result = TypeVar("_Result")


def main() -> int:
    """Run both engines; return 1 if a value differs from PyRadiomics'."""
    parser = argparse.ArgumentParser(
        description="Compare the speed and the values of this project and PyRadiomics."
    )
    parser.add_argument(
        "--quick", action="store_true", help="PAT1 as it is, GTV and 6 mm ring: about a minute"
    )
    parser.add_argument(
        "--patients", action="store_true", help="the values of every real patient: five minutes"
    )
    parser.add_argument(
        "--pictologics", action="store_true", help="only pictologics, and one core against two"
    )
    options = parser.parse_args()
    quick: bool = options.quick
    if options.patients:
        return compare_patients()
    if options.pictologics:
        print(json.dumps(compare_pictologics()))
        return 0
    widths = (6.0,) if quick else (3.0, 6.0, 9.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = real_study(real_data() / "pat1")
        if not quick:
            study = within_planning_ct(study, folder)
        cold = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
        first = (
            {} if quick else in_process(measure_annulus, study, widths, folder / "cold.json", cold)
        )
        ours = in_process(
            measure_annulus, study, widths, folder / "annulus.json", {} if quick else cold
        )
        describe("This project", ours)
        theirs = in_process(measure_pyradiomics, study, widths, folder / "pyradiomics.json", {})
        describe("PyRadiomics", theirs)
        largest, wrong = differences(folder / "annulus.json", folder / "pyradiomics.json")
    for line in wrong[:5]:
        print(line)
    result: dict[str, Any] = {
        "case": "a" if quick else "b",
        "regions": len(widths) + 1,
        "pyradiomics_s": round(theirs["features_s"], 3),
        "annulus_s": round(ours["features_s"], 3),
        "ratio": round(theirs["features_s"] / ours["features_s"], 1),
        "end_to_end_ratio": round(theirs["end_to_end_s"] / ours["end_to_end_s"], 1),
        "peak_mb": round(ours["peak_mb"]),
        "max_rel": largest,
        "n_features": len(FEATURE_NAMES) * (len(widths) + 1),
        "wrong": len(wrong),
    }
    if not quick:
        result |= {
            "cropped_ratio": round(theirs["cropped_s"] / ours["features_s"], 1),
            "first_call_cost_s": round(first["first_call_s"] - first["end_to_end_s"], 2),
            "second_process_cost_s": round(ours["first_call_s"] - ours["end_to_end_s"], 2),
            "pyradiomics_peak_mb": round(theirs["peak_mb"]),
            **compare_pictologics(),
        }
    print(json.dumps(result))
    return 1 if wrong else 0


def compare_patients() -> int:
    """Compare the values of GTV and 6 mm ring for every real patient; return 1 if one differs."""
    data = real_data()
    found: dict[str, Any] = {"patients": 0, "ratio": {}, "max_rel": 0.0, "wrong": 0}
    for path in [data / "pat1", *sorted((data / "sts").glob("STS_*"))]:
        with tempfile.TemporaryDirectory() as name:
            results = Path(name) / "annulus.json", Path(name) / "pyradiomics.json"
            ours = in_process(measure_annulus, real_study(path), (6.0,), results[0], {})
            theirs = in_process(measure_pyradiomics, real_study(path), (6.0,), results[1], {})
            largest, wrong = differences(*results)
        found["patients"] += 1
        found["ratio"][path.name] = round(theirs["features_s"] / ours["features_s"], 1)
        found["max_rel"], found["wrong"] = (
            max(found["max_rel"], largest),
            found["wrong"] + len(wrong),
        )
        print(
            f"{path.name}: largest difference {largest:.2g}, {len(wrong)} beyond the tolerance",
            flush=True,
        )
    print(json.dumps(found))
    return 1 if found["wrong"] else 0


def compare_pictologics() -> dict[str, float | str | None]:
    """Return the figures of GTV and 6 mm ring in a planning CT, against pictologics and on two
    cores.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = within_planning_ct(real_study(real_data() / "pat1"), folder)
        ours = in_process(measure_from_memory, study, (6.0,), folder / "study.npz", {})
        two = in_process(measure_two_cores, study, (6.0,), folder / "none", {})
        describe("This project, from memory", ours)
        theirs = by_pictologics(folder / "study.npz", "linear", REPEATS)
        cubic = by_pictologics(folder / "study.npz", "cubic", 1) if theirs is not None else None
    result: dict[str, float | str | None] = {
        "memory_to_features_s": round(ours["features_s"], 3),
        "memory_to_features_peak_mb": round(ours["peak_mb"]),
        "two_core_speedup": round(two["speedup"], 2) if two["cores"] > 1 else None,
        "pictologics_ratio": None,
    }
    if theirs is not None and cubic is not None:
        describe("pictologics", theirs)
        describe("pictologics, cubic interpolation", cubic)
        result |= {
            "pictologics_s": round(theirs["features_s"], 3),
            "pictologics_peak_mb": round(theirs["peak_mb"]),
            "pictologics_ratio": round(theirs["features_s"] / ours["features_s"], 2),
            "pictologics_cubic_ratio": round(cubic["features_s"] / ours["features_s"], 2),
        }
    return result


def by_pictologics(study: Path, interpolation: str, rounds: int) -> Timings | None:
    """Run pictologics in its environment, which is made where it is not there; `None`, with a
    sentence, where it cannot be.
    """
    python = ROOT / ".pictologics" / "bin" / "python"
    if not python.exists():
        newer = next(filter(works, ("python3.12", "python3.13")), None)
        if newer is None:
            print("pictologics is not measured: it needs python3.12 or python3.13 on the path.")
            return None
        subprocess.run([newer, "-m", "venv", python.parent.parent], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", f"pictologics=={PICTOLOGICS}"], check=True
        )
    done = subprocess.run(
        [
            python,
            ROOT / "tests" / "benchmarks" / "pictologics_peer.py",
            study,
            str(rounds),
            interpolation,
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["version"] != PICTOLOGICS:
        raise SystemExit(
            f"pictologics {found['version']} is there, expected {PICTOLOGICS}: "
            "remove the folder .pictologics"
        )
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def works(python: str) -> bool:
    """Tell whether an interpreter is there and starts, which a version manager's need not."""
    found = shutil.which(python)
    return found is not None and not subprocess.run([found, "--version"], check=False).returncode


def measure_from_memory(study: StudyFiles, widths: tuple[float, ...], result: Path) -> Timings:
    """Time this project from CT and contour in memory, and keep both for pictologics."""
    loaded = load_study(read_study(study.ct, study.rtstruct), "gtv.*")
    compute_features(loaded, SETTINGS, widths)
    times = [timed(lambda: compute_features(loaded, SETTINGS, widths))[1] for _ in range(REPEATS)]
    peak_mb = peak_megabytes()
    volume = loaded.volume
    away = distance_transform_edt(~loaded.gtv_mask, sampling=volume.spacing_mm[::-1])
    regions = loaded.gtv_mask + 2 * ((away > 0) & (away <= widths[0])).astype(np.int16)
    np.savez(
        result,
        hu=np.ascontiguousarray(volume.hu.transpose()),
        regions=np.ascontiguousarray(regions.transpose()),
        spacing_mm=volume.spacing_mm,
    )
    return {"features_s": median(times), "peak_mb": peak_mb}


def measure_two_cores(study: StudyFiles, widths: tuple[float, ...], _result: Path) -> Timings:
    """Return the median of the wall times on one core over those on two, in turns."""
    there = sorted(range(os.cpu_count() or 1))[:2]
    os.sched_setaffinity(0, there)
    loaded = load_study(read_study(study.ct, study.rtstruct), "gtv.*")
    ratios = []
    for number in range(2 * REPEATS + 1):
        walls = []
        for count in ("1", "2"):
            os.environ[CORES_VARIABLE] = count
            started = time.perf_counter()
            compute_features(loaded, SETTINGS, widths)
            walls.append(time.perf_counter() - started)
        if number:
            ratios.append(walls[0] / walls[1])
    return {"speedup": median(ratios), "cores": len(there)}


def measure_annulus(study: StudyFiles, widths: tuple[float, ...], result: Path) -> Timings:
    """Time this project, and keep its features."""

    def end_to_end() -> Any:
        return compute_features(
            load_study(read_study(study.ct, study.rtstruct), "gtv.*"), SETTINGS, widths
        )

    repeats = REPEATS if len(widths) > 1 else 1
    _, first_s = timed(end_to_end)
    runs = [timed(end_to_end) for _ in range(repeats)]
    loaded, load_s = timed(lambda: load_study(read_study(study.ct, study.rtstruct), "gtv.*"))
    ct, harmonize_s = timed(lambda: harmonize_ct(loaded.volume))
    gtv = harmonize_mask(loaded.gtv_mask, loaded.volume, ct)
    regions, regions_s = timed(lambda: make_regions(gtv, ct.spacing_mm, widths))
    features = [timed(lambda: extract(ct, regions.masks, SETTINGS)) for _ in range(repeats)]
    keep(result, runs[-1][0].vectors)
    return {
        "first_call_s": first_s,
        "load_s": load_s,
        "harmonize_s": harmonize_s,
        "regions_s": regions_s,
        "features_s": median(seconds for _, seconds in features),
        "end_to_end_s": median(seconds for _, seconds in runs),
        "peak_mb": peak_megabytes(),
    }


def measure_pyradiomics(study: StudyFiles, widths: tuple[float, ...], result: Path) -> Timings:
    """Time PyRadiomics on the same regions, and keep its features."""
    loaded = load_study(read_study(study.ct, study.rtstruct), "gtv.*")
    ct = harmonize_ct(loaded.volume)
    masks = make_regions(
        harmonize_mask(loaded.gtv_mask, loaded.volume, ct), ct.spacing_mm, widths
    ).masks
    _, load_s = timed(lambda: SimpleITK.ReadImage([str(path) for path in study.ct]))
    _, resample_s = timed(lambda: itk_resample(loaded.volume, ct.to_image()))
    vectors, features_s = timed(lambda: extract_with_pyradiomics(ct, masks, SETTINGS))
    keep(result, vectors)
    timings = {
        "load_s": load_s,
        "resample_s": resample_s,
        "features_s": features_s,
        "end_to_end_s": load_s + resample_s + features_s,
        "peak_mb": peak_megabytes(),
    }
    if len(widths) > 1:
        around = with_margin(union(*(mask.box for mask in masks.values())), CROP_MARGIN, ct.shape)
        hu = ct.values(*around).astype(np.float64)
        cropped: Any = SimpleITK.GetImageFromArray(
            (hu - ct.mean_hu) / ct.sd_hu * SETTINGS.normalize_scale
        )
        shape = (hu.shape[0], hu.shape[1], hu.shape[2])
        labels = [
            BoxedMask(mask.voxels, relative(mask.box, around), shape).whole()
            for mask in masks.values()
        ]
        settings = replace(SETTINGS, normalize=False)
        timings["cropped_s"] = timed(
            lambda: [execute(cropped, label, settings) for label in labels]
        )[1]
    return timings


MEASURES = {
    measure.__name__: measure
    for measure in (measure_annulus, measure_pyradiomics, measure_from_memory, measure_two_cores)
}


def in_process(
    measure: Callable[[StudyFiles, tuple[float, ...], Path], Timings],
    study: StudyFiles,
    widths: tuple[float, ...],
    result: Path,
    environment: dict[str, str],
) -> Timings:
    """Measure in a process of its own on one core, so that neither caches nor memory are shared."""
    task = {
        "measure": measure.__name__,
        "ct": [str(path) for path in study.ct],
        "rtstruct": str(study.rtstruct),
        "widths": widths,
        "result": str(result),
    }
    done = subprocess.run(
        [sys.executable, "-m", MODULE, "--measure"],
        input=json.dumps(task),
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    timings: Timings = json.loads(done.stdout.splitlines()[-1])
    return timings


def measure_one() -> None:
    """Do the task that `in_process` wrote to standard input, and print the timings."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    process_object: Any = SimpleITK.ProcessObject
    process_object.SetGlobalDefaultNumberOfThreads(1)
    task = json.load(sys.stdin)
    study = StudyFiles([Path(path) for path in task["ct"]], Path(task["rtstruct"]))
    print(json.dumps(MEASURES[task["measure"]](study, tuple(task["widths"]), Path(task["result"]))))


def keep(result: Path, vectors: Mapping[Region, FeatureVector]) -> None:
    """Write features by region, as JSON, which keeps every bit of them."""
    result.write_text(
        json.dumps({region: vector.values.tolist() for region, vector in vectors.items()})
    )


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


def peak_megabytes() -> float:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def describe(engine: str, timings: Timings) -> None:
    """Print what was measured, in CPU seconds and megabytes."""
    print(
        f"{engine}: " + ", ".join(f"{name} {value:.2f}" for name, value in timings.items()),
        flush=True,
    )


def differences(ours: Path, theirs: Path) -> tuple[float, list[str]]:
    """Return the largest difference, relative where a value is at least 1, and a line for each
    beyond the tolerance.
    """
    largest, wrong = 0.0, []
    found, wanted = json.loads(ours.read_text()), json.loads(theirs.read_text())
    for region in wanted:
        value, expected = np.array(found[region]), np.array(wanted[region])
        size, off = np.abs(expected), np.abs(value - expected)
        largest = max(largest, float((off / np.maximum(size, 1)).max()))
        wrong += [
            f"{region}:{FEATURE_NAMES[index]} is {value[index]}, PyRadiomics has {expected[index]}"
            for index in np.flatnonzero(
                off > np.where(size < 1, ABSOLUTE_BELOW_ONE, RELATIVE * size)
            )
        ]
    return largest, wrong


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        measure_one()
    else:
        sys.exit(main())
