"""Pages made of what came of the suites: whole without a network, true in counts, words for each
code.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from dicom_node.registry.registry import Release, StudyState, StudySummary
from feature_store.rules import Finding, Severity
from feature_store.study_identity import StudyIdentity
from tests.support.feature_stores import check
from validation_reports.expectation_pages.pages import CenterChecks, write_pages

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KVP = Finding(Severity.WARNING, "kvp", "The tube voltage is 140 kV, expected 120 kV.")
NO_AGE = Finding(Severity.WARNING, "age-missing", "2 patients have no age.")
NO_GTV = Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV: expected <one>.")


def study(number: int, content: str = "c") -> StudyIdentity:
    return StudyIdentity("B", f"patient{number}", f"study{number}", content * 64)


def summary(number: int, state: StudyState, sentence: str | None = None) -> StudySummary:
    return StudySummary(
        f"study{number}", f"patient{number}", "B", state, sentence, 60, NOW, NOW, None
    )


def rows(page: str) -> dict[str, tuple[int, int]]:
    """Return by code how many were looked at and how many did not meet it."""
    found = re.findall(
        r'<code class="soft">([a-z-]+)</code>.*?<td class="n">(\d+)</td>.*?<td '
        r'class="n[^"]*">(\d+)</td>\n',
        page,
    )
    return {code: (int(checked), int(unmet)) for code, checked, unmet in found}


def test_pages_count_and_name_what_was_found_and_need_no_network(tmp_path: Path) -> None:
    found = (
        check("study", study(1)),
        check("study", study(2), KVP),
        check("study", study(3), NO_GTV, KVP),
        check("clinical", None, NO_AGE),
    )
    studies = (
        summary(1, StudyState.SCORED),
        summary(2, StudyState.SCORED),
        summary(3, StudyState.QUARANTINED, NO_GTV.sentence),
        summary(4, StudyState.QUARANTINED, "A CT slice cannot be read."),
    )
    release = Release("study2", "B", "c" * 64, "Dr. Example", "read again", {"histology": "x"}, NOW)
    checks = [CenterChecks("B", found, studies, (release,)), CenterChecks("C", (), ())]
    index = write_pages(tmp_path, checks, ("histology",), NOW, "0.1.0")
    page = (tmp_path / "center-B.html").read_text()
    counted = rows(page)
    assert (counted["kvp"], counted["gtv-name"], counted["vendor"]) == ((3, 2), (3, 1), (3, 0))
    assert "No ROI is the GTV: expected &lt;one&gt;." in page
    assert "A CT slice cannot be read." in page
    assert "Released by Dr. Example at 2026-01-01 12:00 UTC: read again" in page
    assert "2 patients have no age." in page
    assert page.index('id="study3"') < page.index('id="study2"')
    assert 'id="study1"' not in page
    assert re.search(
        r">B</a></th><td class=\"n\">3</td><td class=\"n met\">1</td>", index.read_text()
    )
    for file in tmp_path.glob("*.html"):
        assert not re.search(r"https?:|//[a-z]|<script|@import|url\(", file.read_text())
    suite = json.loads((tmp_path / "suites" / "study.json").read_text())
    severities = {one["meta"]["code"]: one["severity"] for one in suite["expectations"]}
    assert (severities["histology"], severities["kvp"]) == ("critical", "warning")


def test_what_no_rule_of_this_release_says_is_shown_all_the_same(tmp_path: Path) -> None:
    cut = Finding(Severity.CRITICAL, "truncated-pixels", "The pixels cannot be read.")
    old = Finding(Severity.WARNING, "of-old", "What no rule says any more.")
    found = (
        check("study", study(1), cut),
        replace(check("study", study(2), old), codes=("of-old",), software_version=""),
    )
    studies = (
        summary(1, StudyState.QUARANTINED, cut.sentence),
        summary(2, StudyState.SCORED),
    )
    write_pages(tmp_path, [CenterChecks("B", found, studies)], (), NOW, "0.1.0")
    page = (tmp_path / "center-B.html").read_text()
    counted = rows(page)
    assert (counted["truncated-pixels"], counted["of-old"]) == ((1, 1), (1, 1))
    assert counted["kvp"] == (1, 0)
    assert page.count("no other defect") == 2
    assert page.count(cut.sentence) == 1
    assert old.sentence in page


def test_a_page_shows_what_the_regions_hold(tmp_path: Path) -> None:
    shares = [("study1", 0.5), ("study2", 0.7), ("study3", 0.8)]
    tissues = pd.DataFrame(
        [
            {
                "study_key": key,
                "content_digest": "c",
                "patient_key": f"of-{key}",
                "region": "ring_6mm",
                "lung_share": lung,
                "soft_tissue_share": 0.9 - lung,
                "bone_share": 0.06,
                "outside_share": 0.04,
            }
            for key, lung in shares
        ]
    )
    write_pages(tmp_path, [CenterChecks("B", (), (), (), tissues)], (), NOW, "0.1.0")
    page = (tmp_path / "center-B.html").read_text()
    assert '70.0 % <span class="soft">50.0 to 80.0</span>' in page
    assert page.count("<code>ring_6mm</code>") == 1 + len(shares)


def test_what_quarantines_a_study_is_shown_as_such_in_every_suite(tmp_path: Path) -> None:
    found = (check("voxels", study(1)), check("contours", study(1)))
    write_pages(tmp_path, [CenterChecks("B", found, ())], ("gtv-hu", "remnant-contour"), NOW, "1")
    page = (tmp_path / "center-B.html").read_text()
    for code, consequence in (
        ("gtv-hu", "quarantined"),
        ("remnant-contour", "quarantined"),
        ("metal", "warning"),
    ):
        assert re.search(rf">{code}</code></td><td[^>]*>{consequence}</td>", page)
        assert rows(page)[code] == (1, 0)
