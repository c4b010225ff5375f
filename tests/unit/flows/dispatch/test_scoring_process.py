"""A scoring process looks for garbage only when all is loaded, and has then loaded all that a study
uses.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fresh_interpreter import printed_by

BEFORE = """
import gc, sys
import flows.dispatch.scoring_process
assert gc.isenabled()
names = ("prefect", "numpy", "pandas", "great_expectations", "flows.dispatch.worker")
print([name for name in names if name in sys.modules])
"""
STARTED = """
import gc, sys
from pathlib import Path
from flows.dispatch.scoring_process import loaded_worker
worker = loaded_worker()
from flows.installation import Installation
from flows.settings import Settings
folder = Path(sys.argv[1])
(folder / "annulus.toml").write_text(f"[node]\\nfolder = '{folder / 'node'}'\\n")
assert not gc.isenabled()
worker.warm_up(Installation(Settings.load(folder / "annulus.toml")))
assert gc.isenabled() and gc.get_freeze_count() > 100_000
lacking = [name for name in sys.argv[2].split(",") if name not in sys.modules]
loaded = [name for name in sys.argv[3].split(",") if name in sys.modules]
print(lacking, loaded)
"""
USED_BY_STUDIES = (
    "great_expectations",
    "highdicom",
    "fastapi",
    "prefect.task_engine",
    "validation_reports.dicom.patient_report",
)
USED_BY_NONE = (
    "altair.vegalite",
    "boto3.session",
    "scipy.stats._continuous_distns",
    "tensorflow",
    "lifelines",
    "SimpleITK",
    "radiomics",
    "numpy.f2py.crackfortran",
    "coolname.impl",
    "pyarrow.dataset",
    "validation_reports.report.validation_report",
)


def test_what_starts_a_scoring_process_loads_nothing_before_it() -> None:
    assert printed_by(BEFORE)[-1] == "[]"


@pytest.mark.slow
def test_a_warm_process_has_loaded_what_studies_use_and_nothing_else(tmp_path: Path) -> None:
    said = printed_by(STARTED, str(tmp_path), ",".join(USED_BY_STUDIES), ",".join(USED_BY_NONE))
    assert said[-1] == "[] []"
