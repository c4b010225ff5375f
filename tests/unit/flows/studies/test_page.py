"""The words of a page that hang on what was received and on what came before."""

from __future__ import annotations

from pydicom.dataset import Dataset

from flows.studies.page import named, replaced_words


def test_a_page_for_the_pacs_names_the_patient_as_received() -> None:
    ct = Dataset()
    ct.PatientName, ct.PatientID, ct.PatientBirthDate = "Müller^Jörg", " 77 ", "19510203"
    assert named(ct) == (("Patient", "Müller Jörg"), ("ID", "77"), ("Born", "1951-02-03"))
    assert named(Dataset()) == (("Patient", "without a name"), ("ID", "none"), ("Born", "unknown"))


def test_what_is_replaced_is_said_with_the_reason() -> None:
    before = Dataset()
    before.ContentDate, before.DeviceSerialNumber = "20260301", "ab" * 32
    assert replaced_words(None, "ab" * 32) is None
    assert replaced_words(before, "ab" * 32) == (
        "This replaces the result of 2026-03-01: contour or CT have changed since."
    )
    assert replaced_words(before, "cd" * 32) == (
        "This replaces the result of 2026-03-01: it was made by another model."
    )
    assert replaced_words(before, "ab" * 32, scored_again=True) == (
        "This replaces the result of 2026-03-01: scored again, the study has another contour, "
        "score or warning."
    )
