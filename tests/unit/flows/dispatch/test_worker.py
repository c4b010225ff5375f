"""How long a held study waits, and that a scoring process starts without what it does not need."""

from __future__ import annotations

import pytest

from flows.settings import PrefectTable
from tests.support.fresh_interpreter import printed_by

UNUSED = ("tensorflow", "keras", "lifelines", "matplotlib", "openpyxl", "onnx")
LOADED = """
import sys
import flows.dispatch.worker
import validation_reports.dicom.patient_report
import validation_reports.report.latest_performance
from feature_store.expectations.evaluation import prepare_to_judge
assert "great_expectations" not in sys.modules
prepare_to_judge()
assert "great_expectations" in sys.modules
print([name for name in sys.argv[1:] if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [(0, 5.0), (1, 5.0), (2, 10.0), (3, 20.0), (8, 640.0), (9, 900.0), (10_000, 900.0)],
)
def test_the_wait_doubles_up_to_the_longest(attempts: int, expected: float) -> None:
    assert PrefectTable().retry_after_s(attempts) == expected


@pytest.mark.slow
def test_a_worker_loads_nothing_that_it_does_not_use() -> None:
    assert printed_by(LOADED, *UNUSED) == ["[]"]
