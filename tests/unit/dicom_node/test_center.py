"""A centre that cannot be meant is refused where it is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dicom_node.center import (
    Center,
    QuerySource,
    ReturnDestination,
    center_by_ae_title,
    is_ae_title,
)


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
        ({"quiet_period_s": 0.0}, "use more than 0."),
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


ASKED = ReturnDestination("QR", "192.0.2.7", 104)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ct_description": "("}, "is not a regular expression"),
        ({"hours": (0, 25)}, "not part of a day"),
        ({"hours": (3, 3)}, "not part of a day"),
        ({"timezone": "Mars"}, "'Mars' is not known here"),
        ({"timezone": "../x"}, "is not known here"),
        ({"studies_per_hour": 0}, "use at least 1"),
    ],
)
def test_a_pacs_that_cannot_be_asked_so_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        QuerySource(ASKED, **change)


@pytest.mark.parametrize(
    ("hours", "at", "wait_h"),
    [
        ((0, 24), 12.5, 0),
        ((20, 6), 21, 0),
        ((20, 6), 5.5, 0),
        ((20, 6), 6, 14),
        ((20, 6), 19.5, 0.5),
        ((9, 17), 8, 1),
        ((9, 17), 17, 16),
        ((20, 24), 0, 20),
    ],
)
def test_lists_are_fetched_between_two_hours_of_the_place(
    hours: tuple[int, int], at: float, wait_h: float
) -> None:
    source = QuerySource(ASKED, hours=hours, timezone="America/New_York")
    now = datetime(2024, 1, 9, int(at), int(at % 1 * 60), tzinfo=ZoneInfo("America/New_York"))
    assert source.wait_s(now.astimezone(ZoneInfo("UTC"))) == wait_h * 3600


def test_the_pacs_that_is_asked_calls_for_its_centre() -> None:
    alpha = Center("alpha", ("A",), query_from=QuerySource(ASKED))
    assert center_by_ae_title((alpha,), "QR ") is alpha
    assert center_by_ae_title((Center("alpha", ("A",)),), "QR") is None
