"""Synthetic studies in the archive and registry of a node, as a push leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread

from tests.support.intake_bench import Bench


def archive_study(folder: Path, files: Sequence[Path], center: str) -> str:
    """Put the files of one study into a node's folder; return the study's pseudonym."""
    bench = Bench(folder)
    try:
        known = {study.study_key for study in bench.registry.studies.summaries(center)}
        bench.push(*map(dcmread, files), center_name=center)
        (study_key,) = {
            study.study_key for study in bench.registry.studies.summaries(center)
        } - known
    finally:
        bench.close()
    return study_key
