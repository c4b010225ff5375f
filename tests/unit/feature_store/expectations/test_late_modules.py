"""A module that waits for its first use is what it is without waiting, and a suite that is judged
before and Data Docs that are written after say the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from feature_store.expectations.late_modules import loaded_when_used
from tests.support.fresh_interpreter import printed_by

LATE = """
import json, sys
from pathlib import Path
from feature_store.expectations.data_docs import RESULTS, SuiteTable, write_data_docs
from feature_store.expectations.evaluation import great_expectations, prepare_to_judge
from feature_store.expectations.suites import check_regions
from feature_store.imaging.region_rules import RegionFacts
prepare_to_judge() if sys.argv[1] == "late" else great_expectations()
facts = RegionFacts(gtv_voxels=5, ring_share_beyond_ct=0.0)
found = [repr(one) for one in check_regions(facts)]
unloaded = [name for name in sys.argv[3].split(",") if name not in sys.modules]
folder = Path(sys.argv[2])
folder.mkdir()
pages = write_data_docs(folder, [SuiteTable.of_facts("regions", facts)])
assert pages.read_text(encoding="utf-8").count("regions")
import altair, boto3, scipy.stats
made = [altair.Chart.__name__, boto3.client.__name__, scipy.stats.chi2.ppf(0.95, 1)]
print(json.dumps([found, unloaded, json.loads((folder / RESULTS).read_text()), made]))
"""
UNUSED = ("altair.vegalite", "boto3.session", "scipy.stats._continuous_distns")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "annulus_late_part.py").write_text("VALUE = 3\nprint('loaded')\n")
    (tmp_path / "annulus_late_user.py").write_text(
        "import annulus_late_part\ndef value():\n    return annulus_late_part.VALUE\n"
    )
    (tmp_path / "annulus_late_at_once.py").write_text("from annulus_late_part import VALUE\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("annulus_late_part", "annulus_late_user", "annulus_late_at_once"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.usefixtures("library")
def test_a_module_is_loaded_by_its_first_use(capsys: pytest.CaptureFixture[str]) -> None:
    with loaded_when_used(["annulus_late_part"]):
        import annulus_late_user  # type: ignore[import-not-found]
    assert capsys.readouterr().out == ""
    assert annulus_late_user.value() == 3
    assert annulus_late_user.value() == 3
    assert capsys.readouterr().out == "loaded\n"


@pytest.mark.usefixtures("library")
def test_a_library_that_uses_it_at_once_loads_it_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finders = list(sys.meta_path)
    with loaded_when_used(["annulus_late_part", "annulus_late_nowhere"]):
        import annulus_late_at_once  # type: ignore[import-not-found]
    assert annulus_late_at_once.VALUE == 3
    assert capsys.readouterr().out == "loaded\n"
    assert sys.meta_path == finders


@pytest.mark.usefixtures("library")
def test_a_module_that_is_not_there_is_missed_as_always() -> None:
    with (
        loaded_when_used(["annulus_late_nowhere"]),
        pytest.raises(ModuleNotFoundError, match="annulus_late_nowhere"),
    ):
        import annulus_late_nowhere  # type: ignore[import-not-found] # noqa: F401


@pytest.mark.slow
def test_great_expectations_says_the_same_without_what_it_does_not_use(tmp_path: Path) -> None:
    said = {
        how: json.loads(printed_by(LATE, how, str(tmp_path / how), ",".join(UNUSED))[-1])
        for how in ("late", "at once")
    }
    late, at_once = said["late"], said["at once"]
    assert late[1] == list(UNUSED)
    assert at_once[1] == []
    assert len(late[0]) == 2
    assert [late[0], late[2], late[3]] == [at_once[0], at_once[2], at_once[3]]
