"""Derived UIDs are UIDs and tell their parts apart."""

from __future__ import annotations

from validation_reports.dicom.uids import derived_uid, is_uid


def test_derived_uids_are_uids_and_tell_parts_apart() -> None:
    assert derived_uid("a", "bc") == derived_uid("a", "bc")
    assert derived_uid("a", "bc") != derived_uid("ab", "c")
    assert is_uid(derived_uid("a", "bc"))
    assert not is_uid("1.02.3")
