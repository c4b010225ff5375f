"""How long a held study waits, that a registry which does not answer ends no scoring process, and
that one starts without what it does not need.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dicom_node.center import Role
from dicom_node.errors import RegistryUnavailableError
from flows.dispatch import worker
from flows.dispatch.housekeeping import Housekeeping
from flows.installation import Installation
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


def _silent(*_: object) -> bool:
    raise RegistryUnavailableError("The registry did not answer.")


def _installation(**outbox: Callable[..., Any]) -> Installation:
    """An installation with an outbox that does as it is told."""
    table = PrefectTable(first_retry_s=0.01, lease_s=0.03)
    made = SimpleNamespace(
        settings=SimpleNamespace(prefect=table),
        registry=SimpleNamespace(outbox=SimpleNamespace(**outbox)),
        center=lambda _: SimpleNamespace(role=Role.EXTERNAL),
    )
    return cast(Installation, made)


def test_a_worker_waits_for_a_registry_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, looks = threading.Event(), 0

    def has_due() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
        return _silent()

    monkeypatch.setattr(worker, "installation", lambda: _installation(has_due=has_due))
    monkeypatch.setattr(worker, "prefect_answers", lambda: True)
    monkeypatch.setattr(worker, "stop_on_signals", lambda given: _follow(stop, given))
    monkeypatch.setattr(worker, "warm_up", lambda _: None)
    monkeypatch.setattr(worker, "temporary_settings", lambda _: nullcontext())
    monkeypatch.setattr("flows.dispatch.worker.SyncClientContext.get_or_create", nullcontext)
    worker.work_on_studies(os.getppid())
    assert looks == 3
    assert "Studies wait in the outbox. The registry did not answer." in caplog.text


def _follow(stop: threading.Event, given: threading.Event) -> None:
    """Let the worker's own event be set with ours."""
    given.is_set = stop.is_set  # type: ignore[method-assign]


def test_a_lease_is_renewed_when_the_registry_is_back(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter((_silent, _silent))
    is_renewed = threading.Event()

    def renew(*_: object) -> bool:
        answer = next(answers, None)
        if answer is None:
            is_renewed.set()
        return True if answer is None else answer()

    item = SimpleNamespace(id=1, study_key="a1b2")
    with (
        caplog.at_level(logging.WARNING),
        worker._lease_renewed(_installation(renew=renew), cast(Any, item), "me", 0.03),
    ):
        assert is_renewed.wait(20)
    assert caplog.text.count("The lease on study a1b2 could not be renewed.") == 2


def test_housekeeping_waits_for_a_registry_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work = _installation()
    cast(Any, work.registry).incidents = SimpleNamespace(unreported=_silent)
    kept = Housekeeping(work)
    for name in ("check_store", "_remove_overdue"):
        monkeypatch.setattr(kept, name, lambda: None)
    kept.do_what_is_due()
    assert "What is due is done later. The registry did not answer." in caplog.text


@pytest.mark.slow
def test_a_worker_loads_nothing_that_it_does_not_use() -> None:
    assert printed_by(LOADED, *UNUSED) == ["[]"]
