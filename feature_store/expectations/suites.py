"""What data must meet before it is used: Great Expectations suites, and their verdicts as
sentences.

A *critical* expectation says what cannot be right: the study is quarantined. A *warning* says what
is not as in the paper's protocol: the study is scored, and the warning goes with the score.

An empty value passes a range check of Great Expectations, so every column that may be empty is
looked at twice: what is empty is reported by the expectations ``missing-tags``, ``clinical-row``
and ``clinical-incomplete``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import pandas as pd

from feature_store.clinical_records import INCLUDED_HISTOLOGIES, MINIMUM_AGE, ClinicalRecord
from feature_store.expectations.cohort_facts import CohortFacts
from feature_store.expectations.evaluation import (
    BETWEEN,
    IN_SET,
    NOT_NULL,
    UNIQUE,
    ExpectationError,
    Finding,
    Rule,
    Severity,
    findings_of,
    gx_suite,
    raised,
)
from feature_store.expectations.study_facts import StudyFacts
from feature_store.imaging.regions import LEAST_VOXELS

__all__ = ["ExpectationError", "Finding", "Severity"]

GAP_RATIO = 1.5
"""A slice distance of more than this times the median one is a missing slice."""
GTV_VOXELS = (500, 1_500_000)
"""Plausible size of a GTV at 1 mm: 0.5 to 1500 cm3."""
ENOUGH_EVENTS = 100
"""Deaths that an external validation should have (Collins, Ogundimu, Altman 2016,
doi:10.1002/sim.6787).
"""
LEAST_FOLLOW_UP_DAYS = 365
KNOWN_VENDORS = (
    "siemens",
    "ge medical systems",
    "philips",
    "toshiba",
    "canon",
    "cms, inc.",
    "hitachi",
    "fujifilm",
)


def _true(
    code: str, column: str, sentence: Callable[[Any], str], severity: Severity = Severity.CRITICAL
) -> Rule:
    return Rule(code, severity, IN_SET, column, {"value_set": [True]}, sentence)


def _range(
    code: str,
    column: str,
    limits: tuple[float | None, float | None],
    sentence: Callable[[Any], str],
    severity: Severity,
) -> Rule:
    return Rule(
        code, severity, BETWEEN, column, {"min_value": limits[0], "max_value": limits[1]}, sentence
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _gap_sentence(facts: StudyFacts) -> str:
    return (
        f"The CT has a gap: after the slice at {facts.largest_gap_after_mm:.2f} mm the next is "
        f"{facts.largest_gap_ratio * facts.median_gap_mm:.2f} mm away, expected "
        f"{facts.median_gap_mm:.2f} mm. Send the missing slices."
        if facts.largest_gap_after_mm is not None
        and facts.largest_gap_ratio
        and facts.median_gap_mm
        else "The CT has a gap between its slices. Send the missing slices."
    )


def _candidates_sentence(facts: StudyFacts) -> str:
    found = facts.gtv_candidates
    rule = f"expected one ROI whose whole name matches {facts.gtv_pattern!r}"
    if found:
        return (
            f"{len(found)} ROIs could be the GTV: {rule}, found {_names(found)}. "
            "Rename the others, or mend the centre's gtv_pattern."
        )
    return (
        f"No ROI is the GTV: {rule}, found {_names(facts.roi_names)}. Rename the ROI, or mend the "
        "centre's gtv_pattern."
    )


_C, _W = Severity.CRITICAL, Severity.WARNING
_STUDY_RULES = (
    _range(
        "too-few-slices",
        "n_slices",
        (2, None),
        lambda f: f"The CT has {f.n_slices} slice, expected at least 2. Send the whole series.",
        _C,
    ),
    _true(
        "mixed-series",
        "one_series",
        lambda _: "The CT slices are of several series, expected one. Send only one.",
    ),
    _true(
        "mixed-orientation",
        "orientation_consistent",
        lambda _: (
            "The CT slices differ in orientation, expected the same direction cosines. Send one "
            "reconstruction."
        ),
    ),
    _true(
        "mixed-spacing",
        "spacing_consistent",
        lambda _: (
            "The CT slices differ in size or pixel spacing, expected the same. Send one "
            "reconstruction."
        ),
    ),
    _range(
        "duplicate-slice",
        "coinciding_slices",
        (None, 0),
        lambda f: (
            f"{f.coinciding_slices} CT slices lie where another lies, expected one at each "
            "position. Send one reconstruction."
        ),
        _C,
    ),
    _range("missing-slice", "largest_gap_ratio", (None, GAP_RATIO), _gap_sentence, _C),
    _true(
        "frame-of-reference",
        "same_frame_of_reference",
        lambda _: (
            "CT and GTV are not in one Frame of Reference, expected the same in both. "
            "Send the CT on which the contour was drawn."
        ),
    ),
    _range("gtv-name", "gtv_candidates", (1, 1), _candidates_sentence, _C),
    _true(
        "empty-gtv",
        "gtv_drawn",
        lambda f: (
            f"The ROI {_names(f.gtv_candidates)} has no contour, expected one at least. Draw it, "
            "send it again."
        ),
    ),
    _range(
        "contour-outside-ct",
        "contours_outside_ct",
        (None, 0),
        lambda f: (
            f"{f.contours_outside_ct} of {f.gtv_contours} GTV contours lie outside the CT, "
            "expected none. Send the CT on which the contour was drawn, whole."
        ),
        _C,
    ),
    _range(
        "kvp",
        "kvp",
        (120, 120),
        lambda f: f"The tube voltage is {f.kvp:g} kV, expected 120 kV.",
        _W,
    ),
    _range(
        "slice-thickness",
        "slice_thickness_mm",
        (2, 5),
        lambda f: f"The slice thickness is {f.slice_thickness_mm:g} mm, expected 2 to 5 mm.",
        _W,
    ),
    _true(
        "matrix",
        "matrix_512",
        lambda f: f"The CT slices have {f.rows} x {f.columns} pixels, expected 512 x 512.",
        _W,
    ),
    _true(
        "vendor",
        "known_vendor",
        lambda _: "The vendor of the scanner is not one of those that are known.",
        _W,
    ),
    _range(
        "missing-tags",
        "missing_tags",
        (None, 0),
        lambda f: (
            f"The CT header does not say {', '.join(f.missing_tags)}, expected by the protocol."
        ),
        _W,
    ),
    _true(
        "clinical-row",
        "clinical_row",
        lambda _: (
            "The centre's clinical table has no row for this patient, expected one: "
            "the score cannot be validated until it is imported."
        ),
        _W,
    ),
    _range(
        "clinical-incomplete",
        "clinical_gaps",
        (None, 0),
        lambda f: (
            f"The clinical record does not say {' and '.join(_clinical_gaps(f))}, expected by "
            "the protocol."
        ),
        _W,
    ),
    _true(
        "age",
        "old_enough",
        lambda f: f"The patient is {f.age:g} years old, expected more than {MINIMUM_AGE:g}.",
        _W,
    ),
    Rule(
        "histology",
        _W,
        IN_SET,
        "histology",
        {"value_set": sorted(INCLUDED_HISTOLOGIES)},
        lambda f: (
            f"The histology is {f.histology}, expected adenocarcinoma or squamous cell carcinoma."
        ),
    ),
)
_REGION_RULES = (
    Rule(
        "no-gtv-voxels",
        _C,
        NOT_NULL,
        "gtv_voxels",
        {},
        lambda _: "The GTV was not rasterised, expected its voxels.",
    ),
    _range(
        "gtv-too-small",
        "gtv_voxels",
        (LEAST_VOXELS, None),
        lambda f: (
            f"The GTV has {f.gtv_voxels} voxels, expected at least {LEAST_VOXELS}. Check the "
            "contour."
        ),
        _C,
    ),
    _range(
        "gtv-volume",
        "gtv_voxels",
        GTV_VOXELS,
        lambda f: f"The GTV has {(f.gtv_voxels or 0) / 1000:g} cm3, expected 0.5 to 1500 cm3.",
        _W,
    ),
    Rule(
        "ring-cut",
        _W,
        IN_SET,
        "ring_cut_by_field_of_view",
        {"value_set": [False]},
        lambda _: (
            "The CT ends within a ring around the GTV, expected tissue all around: the ring is "
            "smaller there."
        ),
    ),
)
_CLINICAL_RULES = (
    Rule(
        "repeated-patient",
        _C,
        UNIQUE,
        "patient_key",
        {},
        lambda n: f"{n} rows repeat a patient, expected none.",
    ),
    Rule(
        "age-missing",
        _W,
        NOT_NULL,
        "age",
        {},
        lambda n: f"{n} patients have no age, expected one for each.",
    ),
    _true(
        "age",
        "old_enough",
        lambda n: f"{n} patients are not older than {MINIMUM_AGE:g} years, expected all.",
        _W,
    ),
    Rule(
        "histology-missing",
        _W,
        NOT_NULL,
        "histology",
        {},
        lambda n: f"{n} patients have no histology, expected one for each.",
    ),
    Rule(
        "histology",
        _W,
        IN_SET,
        "histology",
        {"value_set": sorted(INCLUDED_HISTOLOGIES)},
        lambda n: (
            f"{n} patients have another histology, expected adenocarcinoma or squamous cell "
            "carcinoma."
        ),
    ),
    Rule(
        "sex-missing",
        _W,
        NOT_NULL,
        "sex",
        {},
        lambda n: f"{n} patients have no sex, expected one for each.",
    ),
    Rule(
        "stage-missing",
        _W,
        NOT_NULL,
        "stage",
        {},
        lambda n: f"{n} patients have no stage, expected one for each.",
    ),
)


_COHORT_RULES = (
    _range(
        "cohort-patients",
        "n_patients",
        (1, None),
        lambda _: (
            "No patient can be analysed, expected at least one with a score and a complete "
            "clinical record."
        ),
        _C,
    ),
    _range(
        "cohort-no-events",
        "n_events",
        (1, None),
        lambda f: (
            f"None of the {f.n_patients} patients died, expected deaths: discrimination is not "
            "defined."
        ),
        _C,
    ),
    _range(
        "cohort-events",
        "n_events",
        (ENOUGH_EVENTS, None),
        lambda f: (
            f"{f.n_events} of {f.n_patients} patients died, expected at least {ENOUGH_EVENTS} "
            "deaths for an external validation (Collins 2016): intervals will be wide."
        ),
        _W,
    ),
    _range(
        "cohort-follow-up",
        "longest_follow_up_days",
        (LEAST_FOLLOW_UP_DAYS, None),
        lambda f: (
            f"The longest follow-up is {f.longest_follow_up_days:g} days, expected at least "
            f"{LEAST_FOLLOW_UP_DAYS}: survival at one year cannot be checked."
        ),
        _W,
    ),
    _range(
        "cohort-one-risk-group",
        "high_risk_share",
        (0.05, 0.95),
        lambda f: (
            f"{f.high_risk_share or 0:.0%} of the patients are in the high-risk group, expected 5 "
            "to 95 %: a hazard ratio between the groups says little."
        ),
        _W,
    ),
    _range(
        "cohort-age-missing",
        "age_missing_share",
        (None, 0.05),
        lambda f: f"{f.age_missing_share:.0%} of the patients have no age, expected at most 5 %.",
        _W,
    ),
    _range(
        "cohort-without-clinical",
        "without_clinical_share",
        (None, 0.10),
        lambda f: (
            f"{f.without_clinical_share:.0%} of the scored patients have no clinical record, "
            "expected at most 10 %: import the centre's newest table."
        ),
        _W,
    ),
    _range(
        "cohort-not-eligible",
        "not_eligible",
        (None, 0),
        lambda f: (
            f"{f.not_eligible} scored patients do not meet the inclusion criteria, expected none: "
            "they are left out."
        ),
        _W,
    ),
    _range(
        "cohort-quarantined",
        "quarantined_share",
        (None, 0.10),
        lambda f: (
            f"All studies of {f.quarantined_share:.0%} of the patients are quarantined, expected "
            "at most 10 %: who is left may not be the centre's patients."
        ),
        _W,
    ),
    _range(
        "cohort-several-contents",
        "several_contents",
        (None, 0),
        lambda f: (
            f"{f.several_contents} patients have scores of more than one study content, expected "
            "one each: the newest counts."
        ),
        _W,
    ),
)
SUITES = {
    "study": _STUDY_RULES,
    "regions": _REGION_RULES,
    "clinical": _CLINICAL_RULES,
    "cohort": _COHORT_RULES,
}
"""The rules of each suite by its name."""
RAISABLE = frozenset(
    rule.code for rule in (*_STUDY_RULES, *_REGION_RULES) if rule.severity is Severity.WARNING
)
"""Codes of the warnings on a study that the settings may make a reason for quarantine, and a
release may waive.

What is critical by itself cannot be waived: no features can be computed from such data."""


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


def study_suite() -> Any:
    """Return the suite for a study before it is loaded, one row of facts."""
    return suite("study")


def check_study(facts: StudyFacts, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    """Hold a study against the expectations before it is loaded.

    Parameters
    ----------
    facts : StudyFacts
        What is known of it.
    quarantine : collection of str
        Codes of warnings that are critical here, out of `RAISABLE`.

    Returns
    -------
    tuple of Finding
        What is not as expected, critical findings first; none for a study as the protocol has it.
    """
    rules = raised(_STUDY_RULES, quarantine)
    return findings_of("study", rules, _table_of(facts), lambda rule, _: rule.sentence(facts))


def check_regions(facts: StudyFacts, quarantine: Collection[str] = ()) -> tuple[Finding, ...]:
    """Hold a study's regions against the expectations; as `check_study`, for facts with regions."""
    rules = raised(_REGION_RULES, quarantine)
    return findings_of("regions", rules, _table_of(facts), lambda rule, _: rule.sentence(facts))


def check_clinical(records: Iterable[ClinicalRecord]) -> tuple[Finding, ...]:
    """Hold a clinical table against the expectations; sentences count the patients that do not meet
    them.
    """
    table = pd.DataFrame(
        [asdict(record) for record in records], columns=[*ClinicalRecord.__dataclass_fields__]
    )
    if table.empty:  # a table without rows passes every expectation
        return (
            Finding(
                _C,
                "no-patients",
                "The clinical table has no usable row, expected at least one patient.",
            ),
        )
    table["old_enough"] = [_old_enough(age) for age in table["age"]]
    return findings_of("clinical", _CLINICAL_RULES, table, lambda rule, count: rule.sentence(count))


def check_cohort(facts: CohortFacts) -> tuple[Finding, ...]:
    """Hold a centre's cohort against the expectations; a critical finding says that nothing can be
    validated.
    """
    return findings_of(
        "cohort", _COHORT_RULES, pd.DataFrame([asdict(facts)]), lambda rule, _: rule.sentence(facts)
    )


def waive(findings: Iterable[Finding], waivers: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return findings, of which those that an operator has waived are warnings.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.
    waivers : mapping of str to str
        By code, who waived it and why, which follows the sentence; codes that are not `RAISABLE`
        are not waived.
    """
    return tuple(
        Finding(_W, finding.code, f"{finding.sentence} {waivers[finding.code]}")
        if finding.severity is _C and finding.code in RAISABLE and finding.code in waivers
        else finding
        for finding in findings
    )


def _table_of(facts: StudyFacts) -> pd.DataFrame:
    row = {
        name: len(value) if isinstance(value, tuple) else value
        for name, value in asdict(facts).items()
    }
    vendor = (facts.manufacturer or "").casefold()
    row |= {
        "gtv_drawn": facts.gtv_contours > 0 or not facts.gtv_candidates,
        "matrix_512": (facts.rows, facts.columns) == (512, 512),
        "known_vendor": not vendor or vendor.startswith(KNOWN_VENDORS),
        "clinical_gaps": len(_clinical_gaps(facts)),
        "old_enough": _old_enough(facts.age),
    }
    return pd.DataFrame([row])


def _old_enough(age: float | None) -> bool:
    return age is None or not age <= MINIMUM_AGE  # an age that is not a number is not known either


def _clinical_gaps(facts: StudyFacts) -> tuple[str, ...]:
    if not facts.clinical_row:
        return ()
    return tuple(name for name in ("age", "histology") if getattr(facts, name) is None)


SUITE_TITLES = MappingProxyType(
    {
        "study": "Each study, before it is loaded",
        "regions": "The regions of each study",
        "clinical": "The clinical table",
        "cohort": "The cohort under the pinned model",
    }
)


EXPECTED = MappingProxyType(
    {
        "too-few-slices": "at least 2 CT slices",
        "mixed-series": "CT slices of one series",
        "mixed-orientation": "CT slices with the same direction cosines",
        "mixed-spacing": "CT slices of one size and pixel spacing",
        "duplicate-slice": "one CT slice at each position",
        "missing-slice": "evenly spaced CT slices, none missing",
        "frame-of-reference": "CT and GTV in one Frame of Reference",
        "gtv-name": "exactly one ROI whose name is the centre's GTV",
        "empty-gtv": "a GTV with contours",
        "contour-outside-ct": "every GTV contour within the CT",
        "kvp": "120 kV",
        "slice-thickness": "slices of 2 to 5 mm",
        "matrix": "512 x 512 pixels",
        "vendor": "a scanner of a known vendor",
        "missing-tags": "a CT header that tells the acquisition",
        "clinical-row": "a row for the patient in the clinical table",
        "clinical-incomplete": "a clinical record with age and histology",
        "age": "patients older than 18 years",
        "histology": "adenocarcinoma or squamous cell carcinoma",
        "no-gtv-voxels": "a GTV that covers voxels",
        "gtv-too-small": "a GTV of at least 27 voxels at 1 mm",
        "gtv-volume": "a GTV of 0.5 to 1500 cm³",
        "ring-cut": "tissue all around the GTV, as far as the ring reaches",
        "repeated-patient": "one row per patient",
        "age-missing": "an age for each patient",
        "histology-missing": "a histology for each patient",
        "sex-missing": "a sex for each patient",
        "stage-missing": "a stage for each patient",
        "cohort-patients": "at least one patient with a score and a complete clinical record",
        "cohort-no-events": "deaths, without which discrimination is not defined",
        "cohort-events": "at least 100 deaths",
        "cohort-follow-up": "a follow-up of a year or longer",
        "cohort-one-risk-group": "5 to 95 % of the patients in the high-risk group",
        "cohort-age-missing": "at most 5 % of the patients without an age",
        "cohort-without-clinical": "at most 10 % of the scored patients without a clinical record",
        "cohort-not-eligible": "only patients who meet the inclusion criteria",
        "cohort-quarantined": "at most 10 % of the patients with quarantined studies only",
        "cohort-several-contents": "one scored study content per patient",
    }
)
