"""Which versions scores, reports and bundles name."""

from __future__ import annotations

import tomllib

import numpy as np

from flows.software_version import package_versions, software_version
from tests.support import ROOT


def test_the_software_version_is_that_of_the_project() -> None:
    assert (
        software_version()
        == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    )


def test_a_package_is_named_with_the_version_that_runs() -> None:
    assert package_versions(["numpy"]) == {"numpy": np.__version__}
