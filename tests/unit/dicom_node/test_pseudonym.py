"""Pseudonyms are keyed, stable, and never mix up what they name."""

from __future__ import annotations

import re

import pytest

from dicom_node.pseudonym import (
    clock_shift_s,
    image_key,
    instance_key,
    key_fingerprint,
    patient_key,
    pseudonym,
    study_key,
)
from tests.support.intake_bench import KEY


def test_a_pseudonym_is_stable_over_releases() -> None:
    # openssl: printf of 8-byte big-endian lengths and parts, -mac HMAC -sha256, base32, lower, 16
    # characters
    assert pseudonym(b"0123456789abcdef", "a", "bc") == "xaeko43lk76wchmj"


def test_it_has_sixteen_characters_of_base32() -> None:
    assert re.fullmatch(r"[a-z2-7]{16}", patient_key(KEY, "alpha", "Müller 1"))


def test_neither_key_nor_kind_nor_center_nor_boundary_can_be_exchanged() -> None:
    names = [
        pseudonym(KEY, "ab", "c"),
        pseudonym(KEY, "a", "bc"),
        pseudonym(KEY, "abc"),
        pseudonym(KEY + b"2", "ab", "c"),
        patient_key(KEY, "alpha", "1.2"),
        patient_key(KEY, "beta", "1.2"),
        study_key(KEY, "alpha", "1.2"),
        instance_key(KEY, "alpha", "1.2"),
        key_fingerprint(KEY),
    ]
    assert len(set(names)) == len(names)


def test_blanks_around_a_patient_id_do_not_make_another_patient() -> None:
    assert patient_key(KEY, "alpha", " 17 ") == patient_key(KEY, "alpha", "17")


def test_a_short_key_and_an_empty_name_are_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes, expected at least 16"):
        pseudonym(b"x" * 15, "a")
    with pytest.raises(ValueError, match="at least one part"):
        pseudonym(KEY)


def test_an_image_has_one_name_at_every_center_and_a_patient_one_clock() -> None:
    assert image_key(KEY, "1.2.3") != image_key(KEY + b"2", "1.2.3")
    assert image_key(KEY, "1.2.3") not in {
        instance_key(KEY, "alpha", "1.2.3"),
        image_key(KEY, "1.2.4"),
    }
    shifts = [clock_shift_s(KEY, patient) for patient in ("p", "p", "q")]
    assert shifts[0] == shifts[1] != shifts[2]
    assert all(0 <= shift < 100 * 365 * 86400 for shift in shifts)
