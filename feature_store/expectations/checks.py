"""What came of a suite of rules: which one, on what, when, and with which findings.

The feature store keeps it, one row for each suite and study content, clinical table or cohort; the
pages on the expectations are made from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from feature_store.expectations.suites import SUITES
from feature_store.rules import Finding
from feature_store.study_identity import StudyIdentity


@dataclass(frozen=True)
class Check:
    """What came of one suite.

    Parameters
    ----------
    suite : str
        Its name, one of `feature_store.expectations.suites.SUITES`.
    center : str
        The centre.
    study : StudyIdentity or None
        The study content; `None` for the clinical table and the cohort.
    codes : tuple of str
        Every rule that was judged, and what loading refused beside them.
    findings : tuple of Finding
        What is not as expected; what an operator waived is a warning.
    n : int
        Rows that were looked at: 1, or the patients of a clinical table.
    checked_at : datetime
        When, timezone-aware.
    software_version : str
        Version of this software; empty for what releases wrote that kept findings only.
    model_digest : str or None
        Digest of the model, for a cohort.

    Raises
    ------
    ValueError
        If the time has no zone, or a finding's code is not among those judged.
    """

    suite: str
    center: str
    study: StudyIdentity | None
    codes: tuple[str, ...]
    findings: tuple[Finding, ...]
    n: int
    checked_at: datetime
    software_version: str
    model_digest: str | None = None

    def __post_init__(self) -> None:
        if self.checked_at.tzinfo is None:
            raise ValueError("The time of a check has no zone: expected a timezone-aware datetime.")
        if unknown := {finding.code for finding in self.findings} - set(self.codes):
            raise ValueError(f"{', '.join(sorted(unknown))} was found and not looked at.")


def judged_codes(suite: str) -> tuple[str, ...]:
    """Return the codes that a check of a suite has looked at, as the suite is now."""
    return tuple(rule.code for rule in SUITES[suite])


def of_newest_contents(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks of clinical tables and cohorts, and those of the content of each study that
    was checked last.
    """
    checks = tuple(checks)
    newest = {
        check.study.study_key: check.study.content_digest
        for check in sorted(checks, key=lambda check: check.checked_at)
        if check.study is not None
    }
    return tuple(
        check
        for check in checks
        if check.study is None or newest.get(check.study.study_key) == check.study.content_digest
    )
