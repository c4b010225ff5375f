"""What came of the suites: whole by construction, and of each study the newest content."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from feature_store.expectations.checks import judged_codes, of_newest_contents
from feature_store.expectations.suites import SUITES
from feature_store.rules import Finding, Severity
from tests.support.feature_stores import KVP, NOON, check, identity

NO_GTV = Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV.")


def test_a_check_has_looked_at_what_it_found_and_knows_its_time() -> None:
    one = check("study", identity("B", 1), KVP)
    assert one.codes == judged_codes("study") == tuple(rule.code for rule in SUITES["study"])
    with pytest.raises(ValueError, match="kvp was found and not looked at"):
        replace(one, codes=("vendor",))
    with pytest.raises(ValueError, match="has no zone"):
        replace(one, checked_at=NOON.replace(tzinfo=None))


def test_of_each_study_the_content_counts_that_was_checked_last() -> None:
    earlier = check("study", identity("B", 1, "c1"), NO_GTV)
    regions_of_earlier = check("regions", identity("B", 1, "c1"))
    newest = replace(check("study", identity("B", 1, "c2"), KVP), checked_at=NOON + timedelta(1))
    regions = replace(check("regions", identity("B", 1, "c2")), checked_at=NOON + timedelta(1))
    other, clinical = check("regions", identity("B", 2)), check("clinical", None)
    every = (earlier, regions_of_earlier, newest, regions, other, clinical)
    assert of_newest_contents(every) == (newest, regions, other, clinical)
    assert of_newest_contents(()) == ()
