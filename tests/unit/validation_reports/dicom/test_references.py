"""A model must be named and pinned."""

from __future__ import annotations

import pytest

from validation_reports.dicom.references import ModelReference, RoiReference
from validation_reports.errors import StructuredReportError


def test_a_model_must_be_named_and_pinned() -> None:
    with pytest.raises(StructuredReportError, match="not a SHA-256"):
        ModelReference("name", "1", "ABC", False, "")
    with pytest.raises(StructuredReportError, match="names its model"):
        ModelReference(" ", "1", "ab" * 32, False, "")


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("GTV-1", "GTV-1"),
        ("腫瘍 GTV", "腫瘍 GTV"),
        ("GTV\\CT2", "GTV/CT2"),
        ("GTV-1\r\nboost\x1b[31m", "GTV-1 boost [31m"),
        ("\n", "ROI 7"),
    ],
)
def test_a_contour_is_called_as_a_label_can_be(written: str, label: str) -> None:
    assert RoiReference(7, written).name == label
