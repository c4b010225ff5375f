"""The same 14 images and two regions by pictologics, in an environment of its own: run by its
Python, which has nothing of this project.

``python pictologics_peer.py STUDY.npz ROUNDS INTERPOLATION``: `hu` (x, y, z) in HU, `regions` (x,
y, z) with the regions' labels, `spacing_mm` (x, y, z). A small crop comes first, for what must be
compiled. Each round is one call on the whole CT in memory, so reading is not in it. Interpolation
is linear, as in its own standard configurations, or cubic, as here. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

ONE_THREAD = {
    "PICTOLOGICS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PICTOLOGICS_DISABLE_WARMUP": "1",  # only what is used is compiled, below
}
N_BINS = 16
SPACING_MM = (1.0, 1.0, 1.0)
FEATURES = {"include_spatial_intensity": False, "include_local_intensity": False}
FILTERS = {
    "original": None,
    **{
        f"wavelet-{band}": {
            "type": "wavelet",
            "wavelet": "coif1",
            "level": 1,
            "decomposition": band,
        }
        for band in ("LLL", "LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH")
    },
    **{f"log-{sigma}": {"type": "log", "sigma_mm": float(sigma)} for sigma in range(1, 6)},
}


def main() -> None:
    """Measure, and print CPU seconds of the median round, and memory at most."""
    os.environ.update(ONE_THREAD)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import numpy as np
    import pictologics

    study, rounds, interpolation = np.load(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    spacing = tuple(float(one) for one in study["spacing_mm"])

    def image(array: object, modality: str) -> object:
        return pictologics.Image(
            array=array, spacing=spacing, origin=(0.0, 0.0, 0.0), modality=modality
        )

    pipeline = pictologics.RadiomicsPipeline(load_standard=False)
    for name, filtered in FILTERS.items():
        families = ["intensity", "texture"] + (["morphology"] if filtered is None else [])
        steps = [
            {
                "step": "resample",
                "params": {"new_spacing": SPACING_MM, "interpolation": interpolation},
            },
            *([] if filtered is None else [{"step": "filter", "params": filtered}]),
            {"step": "discretise", "params": {"method": "FBN", "n_bins": N_BINS}},
            {"step": "extract_features", "params": {"families": families, **FEATURES}},
        ]
        pipeline.add_config(name, steps)
    hu, regions = study["hu"], study["regions"]
    where = [np.flatnonzero((regions > 0).any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    near = tuple(slice(max(0, int(at[0]) - 8), int(at[-1]) + 9) for at in where)
    pipeline.run_rois(
        image(np.ascontiguousarray(hu[near]), "CT"),
        image(np.ascontiguousarray(regions[near]), "SEG"),
    )
    times = []
    for _ in range(rounds):
        started = time.process_time()
        found = pipeline.run_rois(image(hu, "CT"), image(regions, "SEG"))
        times.append(time.process_time() - started)
    values = [value for roi in found.values() for series in roi.values() for value in series]
    print(
        json.dumps(
            {
                "features_s": sorted(times)[len(times) // 2],
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "values": len(values),
                "finite": int(np.isfinite(np.asarray(values, dtype=float)).sum()),
                "version": pictologics.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
