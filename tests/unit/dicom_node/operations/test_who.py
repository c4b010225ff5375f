"""A pseudonym traced to its patient and back, by the command, and on record."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dicom_node.__main__ import main
from dicom_node.operations.who import NobodyFoundError, studies_behind
from tests.support.intake_bench import Bench, whole_study


@pytest.fixture
def patient(settings_file: Path) -> tuple[str, str, str]:
    """Patient ID of a study that was received, its pseudonym and the study's."""
    bench = Bench(settings_file.parent / "node")
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    (study,) = bench.registry.studies.summaries()
    bench.close()
    return str(drawn.PatientID), study.patient_key, study.study_key


@pytest.mark.parametrize("which", [1, 2])
def test_a_pseudonym_is_traced_to_its_patient_and_that_is_recorded(
    settings_file: Path,
    patient: tuple[str, str, str],
    which: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="dicom_node.audit"):
        assert main(["--settings", str(settings_file), "who", patient[which]]) == 0
    said = capsys.readouterr().out
    assert f"Centre alpha: Patient ID {patient[0]}, study " in said
    assert f"study {patient[2]} of patient {patient[1]}, queued" in said
    assert f"identity-asked center=alpha study={patient[2]}" in caplog.text
    assert f"Patient ID {patient[0]}" not in caplog.text


def test_a_patient_is_found_by_the_id(
    settings_file: Path, patient: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--settings", str(settings_file), "who", "--patient-id", f" {patient[0]} "]
    assert main(asked) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head == f"Centre alpha: patient {patient[1]}"
    assert line == f"  study {patient[2]} of patient {patient[1]}, queued"
    assert main([*asked[:-1], "nobody"]) == 1
    assert "No study of a patient with this ID was received" in capsys.readouterr().err


def test_another_key_finds_nobody_and_is_told(
    settings_file: Path,
    patient: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ANNULUS_PSEUDONYM_KEY", "another key of this many characters")
    assert main(["--settings", str(settings_file), "who", "--patient-id", patient[0]]) == 1
    assert "was made with another pseudonym key" in capsys.readouterr().err


def test_what_is_no_pseudonym_is_told(tmp_path: Path) -> None:
    with pytest.raises(NobodyFoundError, match="No study and no patient has the pseudonym abc"):
        studies_behind([], "abc", tmp_path)
