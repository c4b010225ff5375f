"""The bundle's command line answers in lines for people and in exit codes for scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.__main__ import main
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import MODEL, freeze
from models.combined.combined_model import CombinedModel


def test_verify(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    assert main(["verify", str(tmp_path / "bundle"), "--digest", digest]) == 0
    assert capsys.readouterr().out == f"{digest}\n"
    assert main(["verify", str(tmp_path / "bundle"), "--digest", "0" * 64]) == 1
    assert "is pinned" in capsys.readouterr().err
    (tmp_path / "bundle" / MODEL).write_text("{}")
    assert main(["verify", str(tmp_path / "bundle")]) == 1
    error = capsys.readouterr().err
    assert "model.json" in error
    assert error.count("\n") == 1


def test_show(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    assert main(["show", str(tmp_path / "bundle")]) == 0
    shown = capsys.readouterr().out
    assert digest in shown
    assert "yes, not for clinical use" in shown
    assert "the Lasso at lambda.min" in shown
    assert all(warning in shown for warning in model.training.warnings)
    assert "Warning: The Cox model has" in shown
    assert all(feature in shown for feature in model.features)


def test_no_bundle_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nowhere")]) == 1
    assert "has no readable manifest.json" in capsys.readouterr().err
