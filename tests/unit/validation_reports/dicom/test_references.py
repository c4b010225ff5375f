"""A model must be named and pinned."""

from __future__ import annotations

import pytest

from validation_reports.dicom.references import ModelReference
from validation_reports.errors import StructuredReportError


def test_a_model_must_be_named_and_pinned() -> None:
    with pytest.raises(StructuredReportError, match="not a SHA-256"):
        ModelReference("name", "1", "ABC", False, "")
    with pytest.raises(StructuredReportError, match="names its model"):
        ModelReference(" ", "1", "ab" * 32, False, "")
