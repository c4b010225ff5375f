"""The package's command line: a sentence for what is no report."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation_reports.__main__ import main


def test_what_is_no_report_is_refused_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nothing.json")]) == 1
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "give a report.json" in said
    assert "Build the report again" in said
