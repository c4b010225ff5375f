"""A centre that cannot be meant is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from dicom_node.center import Center, ReturnDestination, center_by_ae_title, is_ae_title


@pytest.mark.parametrize("title", ["A", "ANNULUS", "MY AE 1", "X" * 16, "a-b_c.d"])
def test_ae_titles(title: str) -> None:
    assert is_ae_title(title)


@pytest.mark.parametrize("title", ["", " ", " A", "A ", "X" * 17, "A\\B", "Ä", "A\n"])
def test_what_is_no_ae_title(title: str) -> None:
    assert not is_ae_title(title)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "a/b"}, "centre name 'a/b' is not usable"),
        ({"name": ".."}, "is not usable"),
        ({"ae_titles": ()}, "has no calling AE title"),
        ({"ae_titles": ("A\\B",)}, "is not an AE title"),
        ({"quiet_period_s": 0.0}, "use more than 0"),
        ({"longest_wait_s": 59.0}, r"longest wait of centre alpha is 59\.0 s: use at least"),
        ({"gtv_pattern": "("}, "is not a regular expression"),
    ],
)
def test_a_center_that_cannot_be_meant_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Center(**{"name": "alpha", "ae_titles": ("A",), **change})


@pytest.mark.parametrize(("title", "port"), [("", 104), ("PACS", 0), ("PACS", 65536)])
def test_a_destination_that_cannot_be_meant_is_refused(title: str, port: int) -> None:
    with pytest.raises(ValueError, match="use 1-"):
        ReturnDestination(title, "localhost", port)


@pytest.mark.parametrize("host", ["", "pacs a", "pacs\0", "\udc80", "x" * 254])
def test_a_host_that_cannot_be_meant_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="use 1-253 printable characters"):
        ReturnDestination("PACS", host, 104)


def test_a_center_is_found_by_any_of_its_titles() -> None:
    centers = (Center("alpha", ("A", "A2")), Center("beta", ("B",)))
    assert center_by_ae_title(centers, " A2 ") is centers[0]
    assert center_by_ae_title(centers, "B") is centers[1]
    assert center_by_ae_title(centers, "C") is None
