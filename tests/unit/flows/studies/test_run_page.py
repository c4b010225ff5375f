"""A run shows its score under the pseudonym, and is none the worse where the server takes none."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.studies import run_page, steps
from flows.studies.scored import Scored
from tests.unit.flows.studies.conftest import RETURN_TO, installed

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")


@pytest.mark.parametrize("answers", [True, False])
def test_what_a_run_shows(
    archived: tuple[Path, str],
    bundle: Any,
    scored: Scored,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    answers: bool,
) -> None:
    kept: list[tuple[str, str]] = []

    def take(markdown: str, *, description: str) -> None:
        if not answers:
            raise httpx.ConnectError("no server")
        kept.append((markdown, description))

    monkeypatch.setattr(run_page, "create_markdown_artifact", take)
    monkeypatch.setattr(run_page, "get_run_logger", lambda: logging.getLogger("run"))
    work = installed(archived[0], bundle, RETURN_TO)
    try:
        files = work.registry.outbox.files(archived[1])
        run_page.show_score(steps.StudyRun(work, work.store, files), scored, scored.warnings)
    finally:
        work.registry.close()
    if not answers:
        assert "the server does not take it (ConnectError)" in caplog.text
        return
    ((markdown, description),) = kept
    assert description == f"Score of {files.patient_key}"
    assert files.patient_key in markdown
    assert "PATIENT-ID" not in markdown
    assert "- The tube voltage is missing." in markdown
    assert 4_000 < len(markdown) < 40_000  # kept with every run for as long as it is
