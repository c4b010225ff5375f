"""What cannot be written is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.intake_bench import ct_slice
from validation_reports.dicom.files import write_dicom
from validation_reports.errors import StructuredReportError


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StructuredReportError, match="cannot be written"):
        write_dicom(ct_slice(0), blocked / "report.dcm")
