"""What data must meet before it is used: Great Expectations suites, and their verdicts as sentences.

A *critical* expectation says what cannot be right: the study is quarantined. A *warning* says what is not as in the
paper's protocol: the study is scored, and the warning goes with the score.

An empty value passes a range check of Great Expectations, so every column that may be empty is looked at twice: what is
empty is reported by the expectations ``missing-tags``, ``clinical-row`` and ``clinical-incomplete``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import pandas as pd

from feature_store.clinical import INCLUDED_HISTOLOGIES, MINIMUM_AGE, ClinicalRecord
from feature_store.errors import FeatureStoreError
from feature_store.regions import LEAST_VOXELS
from feature_store.study_facts import StudyFacts

GAP_RATIO = 1.5
"""A slice distance of more than this times the median one is a missing slice."""
GTV_VOXELS = (500, 1_500_000)
"""Plausible size of a GTV at 1 mm: 0.5 to 1500 cm3."""
KNOWN_VENDORS = ("siemens", "ge medical systems", "philips", "toshiba", "canon", "cms, inc.", "hitachi", "fujifilm")

_BETWEEN, _IN_SET = "ExpectColumnValuesToBeBetween", "ExpectColumnValuesToBeInSet"
_NOT_NULL, _UNIQUE = "ExpectColumnValuesToNotBeNull", "ExpectColumnValuesToBeUnique"
_lock = threading.Lock()


class Severity(StrEnum):
    """What follows from an expectation that is not met."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One expectation that is not met.

    Parameters
    ----------
    severity : Severity
        Whether the study is quarantined or scored with a warning.
    code : str
        Slug that stays the same between releases.
    sentence : str
        What was expected and what was found.
    """

    severity: Severity
    code: str
    sentence: str


class ExpectationError(FeatureStoreError, RuntimeError):
    """An expectation could not be evaluated: a defect of the program, not a verdict on the data."""


@dataclass(frozen=True)
class _Rule:
    """An expectation of Great Expectations on one column, and the sentence for those who do not meet it."""

    code: str
    severity: Severity
    kind: str
    column: str
    limits: Mapping[str, Any]
    sentence: Callable[[Any], str]


def _true(code: str, column: str, sentence: Callable[[Any], str], severity: Severity = Severity.CRITICAL) -> _Rule:
    return _Rule(code, severity, _IN_SET, column, {"value_set": [True]}, sentence)


def _range(
    code: str,
    column: str,
    limits: tuple[float | None, float | None],
    sentence: Callable[[Any], str],
    severity: Severity,
) -> _Rule:
    return _Rule(code, severity, _BETWEEN, column, {"min_value": limits[0], "max_value": limits[1]}, sentence)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _gap_sentence(facts: StudyFacts) -> str:
    return (
        f"The CT has a gap: after the slice at {facts.largest_gap_after_mm:.2f} mm the next is "
        f"{facts.largest_gap_ratio * facts.median_gap_mm:.2f} mm away, expected {facts.median_gap_mm:.2f} mm. "
        "Send the missing slices."
        if facts.largest_gap_after_mm is not None and facts.largest_gap_ratio and facts.median_gap_mm
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
        f"No ROI is the GTV: {rule}, found {_names(facts.roi_names)}. Rename the ROI, or mend the centre's gtv_pattern."
    )


_C, _W = Severity.CRITICAL, Severity.WARNING
_STUDY_RULES = (
    _range(
        "too-few-slices", "n_slices", (2, None),
        lambda f: f"The CT has {f.n_slices} slice, expected at least 2. Send the whole series.", _C,
    ),
    _true("mixed-series", "one_series", lambda _: "The CT slices are of several series, expected one. Send only one."),
    _true(
        "mixed-orientation", "orientation_consistent",
        lambda _: "The CT slices differ in orientation, expected the same direction cosines. Send one reconstruction.",
    ),
    _true(
        "mixed-spacing", "spacing_consistent",
        lambda _: "The CT slices differ in size or pixel spacing, expected the same. Send one reconstruction.",
    ),
    _range(
        "duplicate-slice", "coinciding_slices", (None, 0),
        lambda f: f"{f.coinciding_slices} CT slices lie where another lies, expected one at each position. "
        "Send one reconstruction.", _C,
    ),
    _range("missing-slice", "largest_gap_ratio", (None, GAP_RATIO), _gap_sentence, _C),
    _true(
        "frame-of-reference", "same_frame_of_reference",
        lambda _: "CT and GTV are not in one Frame of Reference, expected the same in both. "
        "Send the CT on which the contour was drawn.",
    ),
    _range("gtv-name", "gtv_candidates", (1, 1), _candidates_sentence, _C),
    _true(
        "empty-gtv", "gtv_drawn",
        lambda f: f"The ROI {_names(f.gtv_candidates)} has no contour, expected one at least. Draw it, send it again.",
    ),
    _range(
        "contour-outside-ct", "contours_outside_ct", (None, 0),
        lambda f: f"{f.contours_outside_ct} of {f.gtv_contours} GTV contours lie outside the CT, expected none. "
        "Send the CT on which the contour was drawn, whole.", _C,
    ),
    _range("kvp", "kvp", (120, 120), lambda f: f"The tube voltage is {f.kvp:g} kV, expected 120 kV.", _W),
    _range(
        "slice-thickness", "slice_thickness_mm", (2, 5),
        lambda f: f"The slice thickness is {f.slice_thickness_mm:g} mm, expected 2 to 5 mm.", _W,
    ),
    _true(
        "matrix", "matrix_512",
        lambda f: f"The CT slices have {f.rows} x {f.columns} pixels, expected 512 x 512.", _W,
    ),
    _true("vendor", "known_vendor", lambda _: "The vendor of the scanner is not one of those that are known.", _W),
    _range(
        "missing-tags", "missing_tags", (None, 0),
        lambda f: f"The CT header does not say {', '.join(f.missing_tags)}, expected by the protocol.", _W,
    ),
    _true(
        "clinical-row", "clinical_row",
        lambda _: "The centre's clinical table has no row for this patient, expected one: "
        "the score cannot be validated until it is imported.", _W,
    ),
    _range(
        "clinical-incomplete", "clinical_gaps", (None, 0),
        lambda f: f"The clinical record does not say {' and '.join(_clinical_gaps(f))}, expected by the protocol.", _W,
    ),
    _true(
        "age", "old_enough",
        lambda f: f"The patient is {f.age:g} years old, expected more than {MINIMUM_AGE:g}.", _W,
    ),
    _Rule(
        "histology", _W, _IN_SET, "histology", {"value_set": sorted(INCLUDED_HISTOLOGIES)},
        lambda f: f"The histology is {f.histology}, expected adenocarcinoma or squamous cell carcinoma.",
    ),
)  # fmt: skip
_REGION_RULES = (
    _Rule(
        "no-gtv-voxels", _C, _NOT_NULL, "gtv_voxels", {},
        lambda _: "The GTV was not rasterised, expected its voxels.",
    ),
    _range(
        "gtv-too-small", "gtv_voxels", (LEAST_VOXELS, None),
        lambda f: f"The GTV has {f.gtv_voxels} voxels, expected at least {LEAST_VOXELS}. Check the contour.", _C,
    ),
    _range(
        "gtv-volume", "gtv_voxels", GTV_VOXELS,
        lambda f: f"The GTV has {(f.gtv_voxels or 0) / 1000:g} cm3, expected 0.5 to 1500 cm3.", _W,
    ),
    _Rule(
        "ring-cut", _W, _IN_SET, "ring_cut_by_field_of_view", {"value_set": [False]},
        lambda _: "The CT ends within a ring around the GTV, expected tissue all around: the ring is smaller there.",
    ),
)  # fmt: skip
_CLINICAL_RULES = (
    _Rule("repeated-patient", _C, _UNIQUE, "patient_key", {}, lambda n: f"{n} rows repeat a patient, expected none."),
    _Rule(
        "age-missing", _W, _NOT_NULL, "age", {}, lambda n: f"{n} patients have no age, expected one for each."
    ),
    _true("age", "old_enough", lambda n: f"{n} patients are not older than {MINIMUM_AGE:g} years, expected all.", _W),
    _Rule(
        "histology-missing", _W, _NOT_NULL, "histology", {},
        lambda n: f"{n} patients have no histology, expected one for each.",
    ),
    _Rule(
        "histology", _W, _IN_SET, "histology", {"value_set": sorted(INCLUDED_HISTOLOGIES)},
        lambda n: f"{n} patients have another histology, expected adenocarcinoma or squamous cell carcinoma.",
    ),
    _Rule("sex-missing", _W, _NOT_NULL, "sex", {}, lambda n: f"{n} patients have no sex, expected one for each."),
    _Rule("stage-missing", _W, _NOT_NULL, "stage", {}, lambda n: f"{n} patients have no stage, expected one for each."),
)  # fmt: skip


def study_suite() -> Any:
    """Return the suite for a study before it is loaded: a `great_expectations.ExpectationSuite`, one row of facts."""
    return _suite("study", _STUDY_RULES)


def region_suite() -> Any:
    """Return the suite for a study whose regions are known: a `great_expectations.ExpectationSuite`."""
    return _suite("regions", _REGION_RULES)


def clinical_suite() -> Any:
    """Return the suite for a clinical table: a `great_expectations.ExpectationSuite`, one row per patient."""
    return _suite("clinical", _CLINICAL_RULES)


def check_study(facts: StudyFacts) -> tuple[Finding, ...]:
    """Hold a study against the expectations before it is loaded.

    Parameters
    ----------
    facts : StudyFacts
        What is known of it.

    Returns
    -------
    tuple of Finding
        What is not as expected, critical findings first; none for a study as the protocol has it.
    """
    return _findings("study", _STUDY_RULES, _table_of(facts), lambda rule, _: rule.sentence(facts))


def check_regions(facts: StudyFacts) -> tuple[Finding, ...]:
    """Hold a study's regions against the expectations; as `check_study`, for facts with regions."""
    return _findings("regions", _REGION_RULES, _table_of(facts), lambda rule, _: rule.sentence(facts))


def check_clinical(records: Iterable[ClinicalRecord]) -> tuple[Finding, ...]:
    """Hold a clinical table against the expectations; sentences count the patients that do not meet them."""
    table = pd.DataFrame([asdict(record) for record in records], columns=[*ClinicalRecord.__dataclass_fields__])
    if table.empty:  # a table without rows passes every expectation
        return (Finding(_C, "no-patients", "The clinical table has no usable row, expected at least one patient."),)
    table["old_enough"] = [_old_enough(age) for age in table["age"]]
    return _findings("clinical", _CLINICAL_RULES, table, lambda rule, count: rule.sentence(count))


def _findings(
    name: str, rules: tuple[_Rule, ...], table: pd.DataFrame, sentence: Callable[[_Rule, int], str]
) -> tuple[Finding, ...]:
    failed = _evaluate(name, rules, table)
    found = [
        Finding(rule.severity, rule.code, sentence(rule, failed[rule.code])) for rule in rules if rule.code in failed
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.CRITICAL))


def _evaluate(name: str, rules: tuple[_Rule, ...], table: pd.DataFrame) -> dict[str, int]:
    """Return the codes of the expectations that are not met, and how many rows do not meet each."""
    with _lock:  # the context is one per process
        batch = _batch_definition().get_batch({"dataframe": table})
        results = batch.validate(_suite(name, rules)).results
    if len(results) != len(rules):
        raise ExpectationError(f"{len(results)} of {len(rules)} expectations on {name} were evaluated, expected all.")
    failed: dict[str, int] = {}
    for result in results:
        code = result.expectation_config.meta["code"]
        if not result.success:
            if "unexpected_count" not in result.result:
                raise ExpectationError(f"The expectation {code} on {name} could not be evaluated, expected a verdict.")
            failed[code] = int(result.result["unexpected_count"])
    return failed


def _table_of(facts: StudyFacts) -> pd.DataFrame:
    row = {name: len(value) if isinstance(value, tuple) else value for name, value in asdict(facts).items()}
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


def _suite(name: str, rules: tuple[_Rule, ...]) -> Any:
    kinds = _great_expectations().expectations
    return _great_expectations().ExpectationSuite(
        name=name,
        expectations=[
            getattr(kinds, rule.kind)(
                column=rule.column, severity=str(rule.severity), meta={"code": rule.code}, **rule.limits
            )
            for rule in rules
        ],
    )


@cache
def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read at import: nothing is reported to anybody
    import great_expectations  # noqa: PLC0415 - takes seconds
    import great_expectations.expectations  # noqa: PLC0415

    return great_expectations


@cache
def _batch_definition() -> Any:
    context = _great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("annulus").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole table")
