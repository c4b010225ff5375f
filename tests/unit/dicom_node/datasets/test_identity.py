"""Identifiers: what is a UID, and what is none."""

from __future__ import annotations

import pytest

from dicom_node.datasets.identity import is_uid


@pytest.mark.parametrize(
    "uid", ["", "1", "1.", ".1", "1..2", "../../x", "1.2.3/4", "1.2\n", "1." + "2" * 63, "1.2.a"]
)
def test_what_is_no_uid_is_refused(uid: str) -> None:
    assert not is_uid(uid)
