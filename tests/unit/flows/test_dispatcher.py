"""How long a held study waits."""

from __future__ import annotations

import pytest

from flows.dispatcher import retry_after_s


@pytest.mark.parametrize(
    ("attempts", "expected"), [(0, 5.0), (1, 5.0), (2, 10.0), (3, 20.0), (8, 640.0), (9, 900.0), (10_000, 900.0)]
)
def test_the_wait_doubles_up_to_the_longest(attempts: int, expected: float) -> None:
    assert retry_after_s(attempts, 5.0, 900.0) == expected
