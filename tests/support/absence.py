"""What a test needs and this machine lacks."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(reason: str, requirement: str) -> NoReturn:
    """Skip with a reason, or fail where the environment variable `requirement` is 1."""
    if os.environ.get(requirement) == "1":
        pytest.fail(f"{reason}, and {requirement}=1 asks for it")
    pytest.skip(reason)
