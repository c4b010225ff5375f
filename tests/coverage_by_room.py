"""Branch coverage of every room against its floor: ``python -m tests.coverage_by_room``, after the
tests have run under coverage (``make coverage``).

A room is a folder of a package; the modules beside the rooms count as the package's own. Coverage
is in percent of statements and branches together. Compiled kernels are left out, for what is
compiled cannot be traced.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from coverage import Coverage

FLOORS: Final[dict[str, int]] = {
    "deploy": 76,
    "deploy/demo": 78,
    "deploy/local": 75,
    "dicom_node": 90,
    "dicom_node/archive": 92,
    "dicom_node/datasets": 93,
    "dicom_node/export": 93,
    "dicom_node/intake": 92,
    "dicom_node/network": 94,
    "dicom_node/operations": 95,
    "dicom_node/registry": 95,
    "dicom_node/scp": 92,
    "dicom_node/scu": 89,
    "dicom_node/settings": 94,
    "dicom_node/stow": 94,
    "feature_store": 97,
    "feature_store/clinical_tables": 92,
    "feature_store/expectations": 95,
    "feature_store/imaging": 95,
    "feature_store/radiomic_features": 95,
    "feature_store/tables": 94,
    "flows": 88,
    "flows/commands": 73,  # the rules of the Prefect server run in its process
    "flows/data": 93,
    "flows/dispatch": 39,
    "flows/erasure": 91,
    "flows/notices": 83,
    "flows/operators": 80,
    "flows/portal": 93,
    "flows/runs": 92,
    "flows/settings": 96,
    "flows/studies": 72,
    "flows/training": 84,
    "flows/validation": 79,
    "models": 97,
    "models/bundle": 93,
    "models/combined": 95,
    "models/network": 94,
    "models/survival": 93,
    "validation_reports": 91,
    "validation_reports/cohort": 92,
    "validation_reports/dicom": 96,
    "validation_reports/disclosure": 93,
    "validation_reports/expectation_pages": 97,
    "validation_reports/page": 94,
    "validation_reports/portal_pages": 95,
    "validation_reports/report": 94,
    "validation_reports/statistics": 95,
}
"""The least coverage of a room, in percent: `MARGIN` below what it had when this was set.

What runs only in processes of an installation (flows, deploy) is covered by tests/integration."""
MARGIN: Final = 3


@dataclass
class Covered:
    """What of a room was run, in statements and branches."""

    statements: int = 0
    statements_run: int = 0
    branches: int = 0
    branches_run: int = 0

    @property
    def percent(self) -> float:
        """Statements and branches together; 100 where there are none."""
        possible = self.statements + self.branches
        return 100 * (self.statements_run + self.branches_run) / possible if possible else 100.0


def by_room(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Covered]:
    """Add up the files of coverage's JSON report by room."""
    rooms: defaultdict[str, Covered] = defaultdict(Covered)
    for name, file in files.items():
        parts, summary = PurePath(name).parts, file["summary"]
        room = rooms["/".join(parts[:2]) if len(parts) > 2 else parts[0]]
        room.statements += summary["num_statements"]
        room.statements_run += summary["covered_lines"]
        room.branches += summary["num_branches"]
        room.branches_run += summary["covered_branches"]
    return dict(sorted(rooms.items()))


def complaints(rooms: dict[str, Covered], floors: dict[str, int]) -> list[str]:
    """Return a sentence for every room below its floor, room without floor and floor without
    room.
    """
    below = [
        f"{room} is covered to {covered.percent:.1f} %, expected at least {floors[room]} %: "
        "test what was added."
        for room, covered in rooms.items()
        if room in floors and covered.percent < floors[room]
    ]
    without = [
        f'{room} has no floor: add "{room}": {max(0, int(covered.percent) - MARGIN)} to FLOORS.'
        for room, covered in rooms.items()
        if room not in floors
    ]
    gone = [f"{room} is no room any more: take it out of FLOORS." for room in floors.keys() - rooms]
    return [*below, *without, *sorted(gone)]


def main() -> int:
    """Print the table; return 1 where a room is below its floor."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    rooms = by_room(files)
    print(f"{'room':38}{'statements':>12}{'branches':>10}{'covered':>10}{'floor':>8}")
    for room, covered in rooms.items():
        print(
            f"{room:38}{covered.statements:12}{covered.branches:10}{covered.percent:9.1f}%"
            f"{FLOORS.get(room, 0):7}%"
        )
    found = complaints(rooms, FLOORS)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
