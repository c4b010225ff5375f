"""A text of one value is what was sent, whatever is in it."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.datasets.text_as_sent import text_as_sent


@pytest.mark.parametrize(
    "value", ["", "77", "A1\\A2", "A1\\\\A2", "Doe^John\\Doe^J", "Müller^Jörg\\山田^太郎=山田"]
)
def test_a_text_comes_back_as_it_was_written(value: str) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("PatientID", "AccessionNumber"):
        setattr(dataset, keyword, value)
    dataset.PatientName = value
    content = BytesIO()
    dataset.save_as(content, implicit_vr=False, little_endian=True)
    back = dcmread(BytesIO(content.getvalue()), force=True)
    for keyword in ("PatientID", "AccessionNumber", "PatientName"):
        assert text_as_sent(back, keyword) == value


def test_what_is_absent_is_empty() -> None:
    assert text_as_sent(Dataset(), "PatientID") == ""
