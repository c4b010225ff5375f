"""What tests share: servers, builders, cohorts, waiting. One of each."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout."""
