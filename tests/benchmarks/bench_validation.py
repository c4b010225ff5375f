"""The bootstrap against the usual loop over lifelines and scikit-survival, and the time of a whole
report.

``python -m tests.benchmarks.bench_validation`` (``--quick`` leaves out 100 000 patients). Both
sides compute, for the same resamples, Harrell's C, the AUC at three horizons, the calibration slope
and, at three horizons, a smooth calibration curve on 41 points with its ICI. The loop takes a few
resamples and is extrapolated to 1000, ours takes all
1000. The loop fits each curve with lifelines' Cox regression and takes the baseline hazard of
      `models`, because
lifelines' own is Breslow's even after Efron's fit. scikit-survival is told that only equal scores
are tied; by default it takes scores within 1e-8 for ties, which among 100 000 patients happens.

A report without PDF is timed in processor seconds, so that threads do not flatter it, at 5000 and
at 100 patients; one of 100 000 patients has a process of its own, for its memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.survival.baseline_hazard import baseline_cumulative_hazard
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.report.file_names import JSON_NAME, PAGE_NAME
from validation_reports.report.validation_report import build_report
from validation_reports.report_folder import write_report_files
from validation_reports.statistics.resamples import N_RESAMPLES, resample

Array = NDArray[np.float64]
HORIZONS = (365, 730, 1095)
SEED = 20260101
NAIVE_RESAMPLES = {100: 20, 1000: 8, 100_000: 1}
TOLERANCE = {"concordance": 1e-10, "auc": 1e-10, "slope": 1e-6, "ici": 1e-6, "curves": 1e-6}
"""Largest difference that counts as identical."""
CONVERGED = {"precision": 1e-11}
"""For the values that are compared, but not for the time, lifelines iterates on: its default stops
early.
"""


def made(n: int) -> tuple[Survival, Array, dict[int, Array]]:
    """Return n patients with continuous times, so that no convention on ties can matter."""
    random = np.random.default_rng(SEED)
    score = random.normal(scale=0.6, size=n)  # so that no predicted risk rounds to 1
    death = random.exponential(800 * np.exp(-score))
    last_contact = random.uniform(300, 3000, size=n)
    days = np.minimum(death, last_contact) + 0.1
    days += 1e-5 * days.argsort().argsort()  # of 100 000 draws some differ by rounding only
    survival = Survival(days, death <= last_contact)
    return survival, score, {t: np.exp(-np.exp(score) * t / 800) for t in HORIZONS}


def naive(
    survival: Survival,
    score: Array,
    predicted: dict[int, Array],
    rows: NDArray[np.intp],
    grids: Array,
    fit_options: dict[str, float] | None = None,
) -> dict[str, Array]:
    """One resample as everybody writes it: subset, then call the libraries."""
    from lifelines import CoxPHFitter
    from lifelines.utils import concordance_index
    from sksurv.metrics import cumulative_dynamic_auc
    from sksurv.util import Surv

    again, lp = survival.subset(rows), score[rows]
    c = concordance_index(again.days, -lp, again.event)
    outcome = Surv.from_arrays(again.event, again.days)
    auc, _ = cumulative_dynamic_auc(outcome, outcome, lp, list(HORIZONS), tied_tol=0.0)
    frame = pd.DataFrame({"x": lp, "days": again.days, "event": again.event})
    slope = CoxPHFitter().fit(frame, "days", "event", fit_options=fit_options).params_["x"]
    ici, curves = [], []
    for place, days in enumerate(HORIZONS):
        risk = 1 - predicted[days][rows]
        x = np.log(-np.log1p(-risk))
        knots = np.quantile(x, (0.1, 0.5, 0.9))
        basis = _spline(x, knots)
        frame = pd.DataFrame(
            {"x": x, "bend": basis[:, 1], "days": again.days, "event": again.event}
        )
        beta = (
            CoxPHFitter()
            .fit(frame, "days", "event", fit_options=fit_options)
            .params_[["x", "bend"]]
            .to_numpy()
        )
        lp_curve = (basis - basis.mean(axis=0)) @ beta
        baseline = baseline_cumulative_hazard(lp_curve, again)
        ici.append(np.abs(1 - baseline.survival(days, lp_curve) - risk).mean())
        at = np.log(-np.log1p(-grids[place]))
        curves.append(1 - baseline.survival(days, (_spline(at, knots) - basis.mean(axis=0)) @ beta))
    return {
        "concordance": np.array(c),
        "auc": np.asarray(auc),
        "slope": np.array(slope),
        "ici": np.array(ici),
        "curves": np.array(curves),
    }


def _spline(x: Array, knots: Array) -> Array:
    first, middle, last = knots
    a, b, c = (np.maximum(x - knot, 0) ** 3 for knot in knots)
    bend = a - (b * (last - first) - c * (middle - first)) / (last - middle)
    return np.column_stack([x, bend / (last - first) ** 2])


def compare(n: int) -> tuple[float, bool]:
    """Return how many times faster ours is for n patients, and whether the values are identical."""
    survival, score, predicted = made(n)
    resample(survival, score, predicted, n_resamples=2)  # compiles
    times = []
    for _ in range(1 if n > 10_000 else 3):
        start = time.perf_counter()
        resample(survival, score, predicted, n_resamples=N_RESAMPLES, seed=SEED)
        times.append(time.perf_counter() - start)
    rows = np.random.default_rng(SEED).integers(0, n, size=(NAIVE_RESAMPLES[n], n))
    ours = resample(survival, score, predicted, rows=rows)
    naive_times, worst = [], dict.fromkeys(TOLERANCE, 0.0)
    for b in range(NAIVE_RESAMPLES[n]):
        start = time.perf_counter()
        naive(survival, score, predicted, rows[b], ours.predicted)
        naive_times.append(time.perf_counter() - start)
        theirs = naive(survival, score, predicted, rows[b], ours.predicted, CONVERGED)
        for name, value in theirs.items():
            worst[name] = max(worst[name], float(np.abs(getattr(ours, name)[b] - value).max()))
    identical = all(worst[name] <= limit for name, limit in TOLERANCE.items())
    fast, slow = statistics.median(times), statistics.median(naive_times) * N_RESAMPLES
    differences = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
    print(
        f"n = {n}: {fast:.3f} s for {N_RESAMPLES} resamples; the loop {slow:.0f} s, extrapolated "
        f"from {NAIVE_RESAMPLES[n]}; ratio {slow / fast:.0f}; largest differences: {differences}",
        flush=True,
    )
    return slow / fast, identical


def report_seconds() -> float:
    """Return the time of a whole report of a centre with 100 patients: numbers, page, PDF and R
    script, warm.
    """
    times = []
    for turn in range(3):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            cohort = made_cohort("A", 100, turn + 1)
            report = build_report([cohort], PROVENANCE)
            write_report_files(Path(folder) / "report", report, [cohort])
            times.append(time.perf_counter() - start)
    return min(times[1:])


def _cohort(n: int) -> ScoredCohort:
    """Return n patients with everything that a report can look at, single signatures included."""
    cohort, random = made_cohort("A", n, 1), np.random.default_rng(SEED)
    columns = {
        name: cohort.linear_predictor + random.normal(size=n) for name in ("gtv", "ring", "deep")
    }
    return replace(cohort, signatures=pd.DataFrame(columns))


def _write(cohort: ScoredCohort) -> tuple[float, float]:
    """Return the megabytes of page and JSON of a report without PDF."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report"
        write_report_files(path, build_report([cohort], PROVENANCE), [cohort], pdf=False)
        return tuple((path / name).stat().st_size / 1e6 for name in (PAGE_NAME, JSON_NAME))  # type: ignore[return-value]


def report_cpu_ratio() -> tuple[float, tuple[float, float]]:
    """Return the processor time of a report of 5000 patients over that of one of 100, the smallest
    of three each, and the megabytes of its page and JSON.
    """
    least = {}
    for n in (100, 5000):
        cohort, times = _cohort(n), []
        _write(cohort)
        for _ in range(3):
            start = time.process_time()
            sizes = _write(cohort)
            times.append(time.process_time() - start)
        least[n] = min(times)
        print(f"a report of {n} patients without PDF: {least[n]:.2f} s of processor", flush=True)
    return least[5000] / least[100], sizes


def large_report() -> tuple[float, float]:
    """Return seconds and peak megabytes of a report of 100 000 patients without PDF."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_validation", "--one-report", "100000"],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, megabytes = (float(word) for word in done.stdout.split()[-2:])
    return seconds, megabytes


def main() -> int:
    """Run the comparison and print one JSON line last; return 1 where values differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out 100 000 patients")
    parser.add_argument("--one-report", type=int, metavar="N", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_report:
        start = time.perf_counter()
        _write(_cohort(options.one_report))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{time.perf_counter() - start:.1f} {peak:.0f}")
        return 0
    warnings.filterwarnings("ignore")
    print(f"started {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", flush=True)
    found = {n: compare(n) for n in NAIVE_RESAMPLES if n <= 1000 or not options.quick}
    identical = all(same for _, same in found.values())
    ratios = {str(n): round(ratio) for n, (ratio, _) in found.items()}
    numbers: dict[str, object] = {
        "ratio": ratios,
        "identical": identical,
        "report_s": round(report_seconds(), 2),
    }
    cpu_ratio, (page_mb, json_mb) = report_cpu_ratio()
    numbers |= {
        "report_cpu_ratio_5000_to_100": round(cpu_ratio, 2),
        "page_5000_mb": round(page_mb, 2),
        "json_5000_mb": round(json_mb, 2),
    }
    if not options.quick:
        seconds, megabytes = large_report()
        numbers |= {"n100000_s": round(seconds), "n100000_mb": round(megabytes)}
    print(json.dumps(numbers))
    return 0 if identical else 1


if __name__ == "__main__":
    sys.exit(main())
