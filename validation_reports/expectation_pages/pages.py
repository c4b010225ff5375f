"""Pages on the expectations, one per centre: what was expected, how many met it, which studies did
not and why.

Great Expectations' own pages load their style from other hosts; these are one self-contained file
each.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dicom_node.registry.registry import Release, StudyState, StudySummary
from feature_store.expectations.checks import Check
from feature_store.expectations.evaluation import raised
from feature_store.expectations.suites import SUITE_TITLES, SUITES, suite
from feature_store.rules import Finding, Severity
from feature_store.wording import counted

INDEX_NAME = "index.html"
OF_STUDIES = ("study", "contours", "voxels", "regions")
"""Suites that judge single studies, which they can quarantine."""
_NO_OTHER = "no other defect"
"""What is expected where loading refused a study, or another release found what is no rule now."""
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class CenterChecks:
    """What is known of one centre.

    Parameters
    ----------
    center : str
        Its name.
    checks : tuple of Check
        What came of the suites: of each study, on the content that counts.
    studies : tuple of StudySummary
        Its studies as the registry has them.
    releases : tuple of Release
        What operators released.
    tissues : DataFrame or None
        What the regions of its studies hold, as `FeatureStore.tissues` returns it.
    """

    center: str
    checks: tuple[Check, ...]
    studies: tuple[StudySummary, ...]
    releases: tuple[Release, ...] = ()
    tissues: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Row:
    code: str
    expected: str
    severity: Severity
    consequence: str
    checked: int
    sentences: tuple[str, ...]

    @property
    def unmet(self) -> int:
        return len(self.sentences)

    @property
    def met(self) -> int:
        return self.checked - self.unmet


@dataclass(frozen=True)
class _Failing:
    study_key: str
    patient_key: str
    state: str
    findings: tuple[Finding, ...]
    releases: tuple[Release, ...]


def write_pages(
    folder: Path,
    centers: Sequence[CenterChecks],
    quarantine: Collection[str],
    created_at: datetime,
    version: str,
) -> Path:
    """Write the pages, and the suites as Great Expectations' own JSON.

    Parameters
    ----------
    folder : Path
        Where; made if it does not exist, and pages in it are replaced.
    centers : sequence of CenterChecks
        The centres.
    quarantine : collection of str
        Codes of warnings that are critical here.
    created_at : datetime
        Time of the pages, timezone-aware.
    version : str
        Version of this software.

    Returns
    -------
    Path
        The page that leads to the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suites").mkdir(exist_ok=True)
    for name in SUITES:
        text = json.dumps(
            suite(name, quarantine if name in OF_STUDIES else ()).to_json_dict(),
            indent=1,
            default=str,
        )
        (folder / "suites" / f"{name}.json").write_text(text, encoding="utf-8")
    links = [("All centres", INDEX_NAME), *((one.center, _file(one.center)) for one in centers)]
    made = (
        f"Made {created_at:%Y-%m-%d %H:%M %Z} by Annulus {version}; studies and patients under "
        "pseudonyms."
    )
    for one in centers:
        page = _environment().get_template("expectations_center.html.j2")
        (folder / _file(one.center)).write_text(
            page.render(
                title=f"Expectations at centre {one.center}",
                subtitle=made,
                links=[links[0], (one.center, _file(one.center))],
                suites=[_suite_table(name, one.checks, quarantine) for name in SUITES],
                failing=_failing(one),
                **_tissue_tables(one.tissues),
            ),
            encoding="utf-8",
        )
    index = folder / INDEX_NAME
    page = _environment().get_template("expectations_index.html.j2")
    summaries = [_summary(one) for one in centers]
    index.write_text(
        page.render(title="Expectations", subtitle=made, links=links, centers=summaries),
        encoding="utf-8",
    )
    return index


def _suite_table(
    name: str, checks: Sequence[Check], quarantine: Collection[str]
) -> dict[str, object]:
    own = [check for check in checks if check.suite == name]
    of_studies = name in OF_STUDIES
    if not own:
        note = "Nothing was held against it yet."
    elif of_studies:
        note = (
            f"{counted(len(own), 'study', 'studies')}, each with its newest content. A study "
            "that was quarantined before comes no further."
        )
    else:
        note = f"Checked {own[0].checked_at:%Y-%m-%d %H:%M} UTC" + (
            f", {counted(own[0].n, 'patient')}." if own[0].n > 1 else "."
        )
    found = [finding for check in own for finding in check.findings]
    rules = raised(SUITES[name], quarantine) if of_studies else SUITES[name]
    expected = {rule.code: rule.expected for rule in rules}
    severities = {rule.code: rule.severity for rule in rules}
    severities |= {one.code: one.severity for one in found if one.code not in expected}
    critical = "quarantined" if of_studies else "refused"
    rows = [
        _Row(
            code=code,
            expected=expected.get(code, _NO_OTHER),
            severity=severity,
            consequence=critical if severity is Severity.CRITICAL else "warning",
            checked=sum(code in check.codes for check in own),
            sentences=tuple(one.sentence for one in found if one.code == code),
        )
        for code, severity in severities.items()
    ]
    return {"of_studies": of_studies, "title": SUITE_TITLES[name], "note": note, "rows": rows}


def _tissue_tables(tissues: pd.DataFrame | None) -> dict[str, object]:
    """Return the shares of each region's tissues: over all studies as median and extremes, and of
    each study.
    """
    names = ("lung", "soft_tissue", "bone", "outside")
    if tissues is None or tissues.empty:
        return {"tissues": [], "tissues_of_studies": []}
    columns = [f"{name}_share" for name in names]
    regions = [
        (region, len(rows), [(v.median(), v.min(), v.max()) for _, v in rows[columns].items()])
        for region, rows in tissues.groupby("region")
    ]
    studies = tissues.sort_values(["study_key", "region"])
    return {
        "tissues": regions,
        "tissues_of_studies": list(
            studies[["study_key", "patient_key", "region", *columns]].itertuples(index=False)
        ),
    }


def _failing(one: CenterChecks) -> list[_Failing]:
    """Return the studies with a finding or in quarantine, the quarantined first."""
    found: dict[str, list[Finding]] = defaultdict(list)
    for check in one.checks:
        if check.study is not None:
            found[check.study.study_key] += check.findings
    released: dict[str, list[Release]] = defaultdict(list)
    for release in one.releases:
        released[release.study_key].append(release)
    rows = []
    for study in one.studies:
        findings = sorted(
            found[study.study_key], key=lambda finding: finding.severity is not Severity.CRITICAL
        )
        if study.state is StudyState.QUARANTINED and not any(
            f.sentence in (study.sentence or "") for f in findings
        ):
            # what made the study unusable was no expectation: unreadable data, say
            findings.insert(
                0, Finding(Severity.CRITICAL, "study", study.sentence or "no reason is recorded")
            )
        if findings:
            releases = tuple(released[study.study_key])
            rows.append(
                _Failing(
                    study.study_key, study.patient_key, str(study.state), tuple(findings), releases
                )
            )
    return sorted(rows, key=lambda row: (row.state != StudyState.QUARANTINED, row.study_key))


def _summary(one: CenterChecks) -> Mapping[str, object]:
    failing = _failing(one)
    checked = {
        check.study.study_key
        for check in one.checks
        if check.study is not None and check.suite == "study"
    }
    quarantined = {row.study_key for row in failing if row.state == StudyState.QUARANTINED}
    warned = {row.study_key for row in failing} - quarantined
    return {
        "center": one.center,
        "file": _file(one.center),
        "checked": len(checked),
        "as_expected": len(checked - quarantined - warned),
        "with_warnings": len(warned),
        "quarantined": len(quarantined),
        "released": len({release.study_key for release in one.releases}),
        "of_center": [
            finding for check in one.checks if check.study is None for finding in check.findings
        ],
    }


def _file(center: str) -> str:
    return f"center-{center}.html"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
