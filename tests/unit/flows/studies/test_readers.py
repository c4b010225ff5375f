"""Two readers' contours of one study in the archive, beside perturbed ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from pydicom import dcmread

from dicom_node.errors import StudyStateError
from flows.installation import Installation
from flows.studies.readers import compare_readers
from tests.support.archived_studies import archive_study
from tests.support.intake_bench import Bench
from tests.support.synthetic_studies import drawn_anew, write_study
from tests.unit.flows.studies.conftest import installed

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")


@pytest.fixture
def study(tmp_path: Path, bundle: Any) -> Iterator[tuple[Installation, str, list[Path]]]:
    files = write_study(tmp_path / "study", "PATIENT-ID")
    study_key = archive_study(tmp_path / "node", files, "alpha")
    work = installed(tmp_path, bundle, "")
    yield work, study_key, files
    work.registry.close()


def test_a_second_reader_is_compared_with_the_first_and_with_perturbed_contours(
    study: tuple[Installation, str, list[Path]], tmp_path: Path
) -> None:
    work, study_key, files = study
    with pytest.raises(StudyStateError, match="has one RTSTRUCT: expected another reader's"):
        compare_readers(work, study_key, 4)
    *_, second = drawn_anew(files)
    bench = Bench(tmp_path / "node")
    bench.push(dcmread(second), center_name="alpha")
    bench.close()
    with disable_run_logger():
        found = compare_readers(work, study_key, 10)
    (other,) = found.readers
    assert len(found.perturbed) == 10
    assert found.defects == ()
    # the one that is scored is the newer, which lacks a slice
    assert other.difference.volume_ratio > 1
    assert 0.8 < other.difference.dice < 1
    assert other.score is not None
    assert other.score != found.score
    lines = found.in_words()
    nearer = sum(one.difference.surface_mm < other.difference.surface_mm for one in found.perturbed)
    assert lines[-1].endswith(f"further than {nearer} of 10 perturbed contours.")
    assert sum(line.startswith("perturbed, ") for line in lines) == 3
    assert "PATIENT-ID" not in "".join(lines)


def test_an_rtstruct_without_a_gtv_is_named_with_the_reason(
    study: tuple[Installation, str, list[Path]], tmp_path: Path
) -> None:
    work, study_key, files = study
    *_, second = drawn_anew(files)
    structure = dcmread(second)
    for roi in structure.StructureSetROISequence:
        roi.ROIName = "Boost"
    structure.StructureSetDate = "19000101"
    bench = Bench(tmp_path / "node")
    bench.push(structure, center_name="alpha")
    bench.close()
    with disable_run_logger():
        found = compare_readers(work, study_key, 10)
    assert found.readers == ()
    (sentence,) = found.defects
    assert sentence.startswith("A further RTSTRUCT (1 of 1): No ROI is the GTV")
    assert found.in_words()[-1] == sentence
