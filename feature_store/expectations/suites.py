"""What data must meet before it is used: the suites, by what is judged, and their verdicts as
sentences.

A *critical* rule says what cannot be right: the study is quarantined. A *warning* says what is not
as in the paper's protocol: the study is scored, and the warning goes with the score.

An empty value meets a rule on its limits, so every value that may be empty is looked at twice: what
is empty is reported by the rules ``missing-tags``, ``clinical-row`` and ``clinical-incomplete``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import pandas as pd

from feature_store.clinical_records import ClinicalRecord
from feature_store.expectations.clinical_rules import CLINICAL_RULES
from feature_store.expectations.cohort_rules import COHORT_RULES, CohortFacts
from feature_store.expectations.evaluation import ExpectationError, findings_of, gx_suite, raised
from feature_store.expectations.follow_up_facts import FollowUpFacts
from feature_store.expectations.follow_up_rules import FOLLOW_UP_RULES
from feature_store.expectations.study_rules import STUDY_RULES, StudyFacts
from feature_store.imaging.contour_rules import CONTOUR_RULES, ContourFacts
from feature_store.imaging.region_rules import REGION_RULES, RegionFacts
from feature_store.imaging.voxel_rules import VOXEL_RULES, VoxelFacts
from feature_store.rules import Finding, Rule, Severity, fact

__all__ = ["ExpectationError", "Finding", "Severity"]

SUITES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "study": STUDY_RULES,
        "contours": CONTOUR_RULES,
        "voxels": VOXEL_RULES,
        "regions": REGION_RULES,
        "clinical": CLINICAL_RULES,
        "follow-up": FOLLOW_UP_RULES,
        "cohort": COHORT_RULES,
    }
)
"""The rules of each suite by its name."""
SUITE_TITLES = MappingProxyType(
    {
        "study": "Each study, before it is loaded",
        "contours": "The contours of each GTV",
        "voxels": "The voxels of each study",
        "regions": "The regions of each study",
        "clinical": "The clinical table",
        "follow-up": "The follow-up in the clinical table",
        "cohort": "The cohort under the pinned model",
    }
)
_OF_A_STUDY = (*STUDY_RULES, *CONTOUR_RULES, *VOXEL_RULES, *REGION_RULES)
RELEASABLE = frozenset(rule.code for rule in _OF_A_STUDY if rule.releasable)
"""Codes of what the settings may make a reason for quarantine, and a release may waive."""


def suite(name: str, quarantine: Collection[str] = ()) -> Any:
    """Return a suite as a `great_expectations.ExpectationSuite`.

    Parameters
    ----------
    name : str
        One of `SUITES`.
    quarantine : collection of str
        Codes of warnings that are critical here.
    """
    return gx_suite(name, raised(SUITES[name], quarantine))


def check_study(facts: StudyFacts, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    """Hold a study against the rules before it is loaded.

    Parameters
    ----------
    facts : StudyFacts
        What is known of it.
    quarantine : collection of str
        Codes of warnings that are critical here, out of `RELEASABLE`.

    Returns
    -------
    tuple of Finding
        What is not as expected, critical findings first; none for a study as the protocol has it.
    """
    return _check_facts("study", facts, quarantine)


def check_contours(facts: ContourFacts, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    """Hold what happened to a GTV's contours against the rules; as `check_study`."""
    return _check_facts("contours", facts, quarantine)


def check_voxels(facts: VoxelFacts, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    """Hold a study's voxels against the rules; as `check_study`."""
    return _check_facts("voxels", facts, quarantine)


def check_regions(facts: RegionFacts, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    """Hold a study's regions against the rules; as `check_study`."""
    return _check_facts("regions", facts, quarantine)


def check_follow_up(facts: FollowUpFacts) -> tuple[Finding, ...]:
    """Hold the follow-up of a clinical table against the rules; a critical finding says that its
    times cannot be days, or its events no deaths, unless it is confirmed.
    """
    return _check_facts("follow-up", facts)


def check_cohort(facts: CohortFacts) -> tuple[Finding, ...]:
    """Hold a centre's cohort against the rules; a critical finding says that nothing can be
    validated.
    """
    return _check_facts("cohort", facts)


def check_clinical(records: Iterable[ClinicalRecord]) -> tuple[Finding, ...]:
    """Hold a clinical table against the rules; sentences count the patients that do not meet
    them.
    """
    table = pd.DataFrame(
        [asdict(record) for record in records], columns=[*ClinicalRecord.__dataclass_fields__]
    )
    return findings_of("clinical", CLINICAL_RULES, table, lambda rule, count: rule.sentence(count))


def facts_table(name: str, facts: object) -> pd.DataFrame:
    """Return facts as the one row that the rules of a suite are held against."""
    return pd.DataFrame([{rule.column: fact(facts, rule.column) for rule in SUITES[name]}])


def waive(findings: Iterable[Finding], waivers: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return findings, of which those that an operator has waived are warnings.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.
    waivers : mapping of str to str
        By code, who waived it and why, which follows the sentence; codes that are not `RELEASABLE`
        are not waived.
    """
    return tuple(
        Finding(Severity.WARNING, finding.code, f"{finding.sentence} {waivers[finding.code]}")
        if finding.severity is Severity.CRITICAL
        and finding.code in RELEASABLE
        and finding.code in waivers
        else finding
        for finding in findings
    )


def _check_facts(name: str, facts: object, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    rules: Sequence[Rule] = raised(SUITES[name], quarantine)
    table = facts_table(name, facts)
    return findings_of(name, rules, table, lambda rule, _: rule.sentence(facts))
