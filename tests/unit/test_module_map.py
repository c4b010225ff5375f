"""Every module has the test file of its name at the mirrored place, or a line here that says where
it is tested; every test file mirrors a module, or says here what it crosses.

``python -m tests.unit.test_module_map`` prints the lines that are missing after a plus, each with
the test file that names the module most, and those that are not needed any more after a minus.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

from tests.support import ROOT
from tests.support.syntax_trees import PACKAGES

TESTS: Final = ROOT / "tests"
ELSEWHERE: Final = Path(__file__).with_name("tested_elsewhere.txt")
"""Lines of module, test file under tests/ and what that holds, parted by colons."""

CROSS_CUTTING: Final[dict[str, str]] = {
    "unit/deploy/test_documentation.py": "every page against every command, setting and room",
    "unit/deploy/test_manifests.py": "image, Compose, Kubernetes and systemd against the code",
    "unit/deploy/test_reading_the_store.py": "the snippets of a page against the store",
    "unit/dicom_node/scp/test_failing_disk.py": "errors of the disk, at each step of it",
    "unit/dicom_node/scp/test_poison.py": "bad values over an association, to the registry",
    "unit/dicom_node/scp/test_pynetdicom_defects.py": "defects of a library that the node lacks",
    "unit/dicom_node/stow/test_poison.py": "bad parts of a body, to the registry",
    "unit/dicom_node/test_damaged_registry.py": "a damaged registry, from the start to the cure",
    "unit/feature_store/imaging/test_contour_drawings.py": "contours drawn at random, whole slices",
    "unit/feature_store/imaging/test_drawn_studies.py": "whole studies drawn at random, as files",
    "unit/feature_store/clinical_tables/test_field_tables.py": "tables as people have them",
    "unit/feature_store/test_field_cases.py": "one study as hospitals spoil it, files to features",
    "unit/feature_store/tables/test_object_store.py": "the tables in a bucket instead of a folder",
    "unit/flows/commands/test_pyradiomics_parameters.py": "a command, a bundle and PyRadiomics",
    "unit/flows/validation/test_wrong_cohorts.py": "from a form's values to the refusal of its run",
    "unit/models/combined/test_no_leakage.py": "the whole training, with a signal and without",
    "unit/test_coverage_by_room.py": "the script behind make coverage",
    "unit/test_message_list.py": "every message of the packages",
    "unit/test_crash_states.py": "what a crash may leave, behind make crash-states",
    "unit/test_module_map.py": "this map",
    "unit/validation_reports/report/test_hard_cohorts.py": "whole reports of cohorts at the edge",
    "unit/validation_reports/report/test_short_follow_up.py": "reports of too short a follow-up",
    "unit/validation_reports/statistics/test_interval_coverage.py": "intervals of all statistics",
    "unit/validation_reports/statistics/test_verdict_errors.py": "verdicts over simulated cohorts",
}
"""Test files under tests/unit that mirror no module, and what they cross."""


def modules() -> list[str]:
    """Return the modules that hold code, as paths from the root."""
    return sorted(
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py" or _holds_code(path)
    )


def _holds_code(path: Path) -> bool:
    """Say whether a file holds more than its docstring and imports from the future."""
    return any(
        not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
    )


def mirrored(module: str) -> str:
    """Return the test file of a module, from tests/ on; of ``__main__.py`` it is
    ``test_main.py``.
    """
    path = Path(module)
    return f"unit/{path.parent}/test_{path.stem.strip('_')}.py"


def elsewhere() -> dict[str, tuple[str, str]]:
    """Return for each module of the table its test file and what that holds."""
    lines = ELSEWHERE.read_text(encoding="utf-8").splitlines()
    parts = [line.split(": ", 2) for line in lines]
    assert all(len(one) == 3 and all(one) for one in parts), "expected `module: test file: what`"
    assert lines == sorted(set(lines)), "expected every line once, in order"
    return {module: (file, what) for module, file, what in parts}


def missing() -> list[str]:
    """Return the modules that have neither a test file of their name nor a line."""
    table = elsewhere()
    return [one for one in modules() if not (TESTS / mirrored(one)).exists() and one not in table]


def test_every_module_has_its_test_file_or_a_line() -> None:
    assert missing() == []


def test_every_line_is_of_a_module_that_has_no_test_file_of_its_name() -> None:
    known = {module for module in modules() if not (TESTS / mirrored(module)).exists()}
    assert sorted(elsewhere().keys() - known) == []


def test_every_line_names_a_test_file_that_there_is() -> None:
    named = {file for file, _ in elsewhere().values()}
    assert all(re.search(r"(^|/)test_\w+\.py$", file) for file in named)
    assert sorted(file for file in named if not (TESTS / file).is_file()) == []


def test_every_test_file_mirrors_a_module_or_says_what_it_crosses() -> None:
    found = {str(path.relative_to(TESTS)) for path in (TESTS / "unit").rglob("test_*.py")}
    mirrors = {mirrored(module) for module in modules()}
    assert sorted(found - mirrors - CROSS_CUTTING.keys()) == []
    assert sorted(CROSS_CUTTING.keys() - (found - mirrors)) == []


def test_every_folder_that_is_kept_is_a_package_or_holds_its_tests() -> None:
    kept = subprocess.run(
        ["git", "ls-tree", "-d", "--name-only", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert sorted(kept) == sorted([*PACKAGES, "tests", ".ci"])


def _imports(path: Path) -> Counter[str]:
    """Count the modules that a file imports, and what it imports of them."""
    found: Counter[str] = Counter()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found[node.module] += len(node.names)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def main() -> None:
    """Print the lines that are missing and those that are not needed any more."""
    imports = {path: _imports(path) for path in sorted(TESTS.rglob("test_*.py"))}
    for module in missing():
        name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        best = max(imports, key=lambda path: imports[path][name])
        file = best.relative_to(TESTS) if imports[best][name] else ""
        print(f"+ {module}: {file}: ")
    for module, (file, what) in elsewhere().items():
        if module not in modules() or (TESTS / mirrored(module)).exists():
            print(f"- {module}: {file}: {what}")


if __name__ == "__main__":
    main()
