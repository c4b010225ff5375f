"""What was compiled ahead is all that real studies need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fresh_interpreter import printed_by

COMPILED = """
from feature_store.kernels import compile_kernels
compile_kernels()
"""
MEASURED = """
import sys
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from feature_store.imaging.image_marks import pixel_digests
from feature_store.imaging.perturbation import Perturbation
from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.study_features import compute_features, load_study, perturbed_contours

for folder in map(Path, sys.argv[1:]):
    (rtstruct,) = (path for path in (folder / "rtstruct").rglob("*") if path.is_file())
    reading = read_study(sorted((folder / "ct").rglob("*.dcm")), rtstruct)
    study, settings = load_study(reading, "gtv[-_ ]?(1|mass_ct)"), ExtractionSettings()
    voxel_facts(study.volume, study.drawn, settings.hu_floor)
    pixel_digests(study.volume)
    perturbed_contours(study, settings, 1, "a seed", Perturbation())
    compute_features(study, settings, last_use=folder.name == "pat1")
kernels = {
    f"{name}.{one}": kernel
    for name, module in sys.modules.items()
    if name.startswith("feature_store.")
    for one, kernel in vars(module).items()
    if isinstance(kernel, Dispatcher)
}
missed = [name for name, kernel in kernels.items() if kernel.stats.cache_misses]
assert len(kernels) > 40, len(kernels)
assert not missed, missed
"""


@pytest.mark.slow
@pytest.mark.real_data
def test_real_studies_find_everything_compiled(real_data: Path, tmp_path: Path) -> None:
    studies = (real_data / "pat1", real_data / "sts" / "STS_001")
    for program, arguments in ((COMPILED, ()), (MEASURED, studies)):
        kept = {"NUMBA_CACHE_DIR": str(tmp_path)}
        printed_by(program, *map(str, arguments), environment=kept, timeout_s=300)
