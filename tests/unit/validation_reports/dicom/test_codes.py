"""Horizons are named in months where they are months."""

from __future__ import annotations

from validation_reports.dicom.codes import survival_concept


def test_horizons_are_named_in_months_where_they_are_months() -> None:
    assert survival_concept(365).meaning.endswith("at 12 months")
    assert survival_concept(1095).meaning.endswith("at 36 months")
    assert survival_concept(100).meaning.endswith("at 100 days")
