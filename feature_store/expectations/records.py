"""What came of a suite of expectations on one study or centre, kept as a small JSON file in the
node's folder.

::

    expectations/CENTER/STUDY_KEY/CONTENT-study.json      before the study is loaded
                                  CONTENT-regions.json    when its regions are known
    expectations/CENTER/clinical.json                     the centre's clinical table
    expectations/CENTER/cohort.json                       its cohort under the pinned model

The feature store keeps what was found; these files also say what was looked at and met, from which
pages are made.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from feature_store.expectations.suites import SUITES
from feature_store.rules import Finding, Severity
from feature_store.study_identity import StudyIdentity

FOLDER = "expectations"


@dataclass(frozen=True)
class SuiteRecord:
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
        Every expectation that was evaluated.
    findings : tuple of Finding
        Those that are not met; what an operator waived is a warning.
    n : int
        Rows that were looked at: 1, or the patients of a clinical table.
    checked_at : datetime
        When, timezone-aware.
    software_version : str
        Version of this software.
    """

    suite: str
    center: str
    study: StudyIdentity | None
    codes: tuple[str, ...]
    findings: tuple[Finding, ...]
    n: int
    checked_at: datetime
    software_version: str


def new_record(
    suite: str,
    center: str,
    findings: tuple[Finding, ...],
    checked_at: datetime,
    software_version: str,
    study: StudyIdentity | None = None,
    n: int = 1,
) -> SuiteRecord:
    """Return the record of a suite that has just been evaluated as it is now."""
    codes = tuple(rule.code for rule in SUITES[suite])
    return SuiteRecord(suite, center, study, codes, findings, n, checked_at, software_version)


def keep(node_folder: Path, record: SuiteRecord) -> Path:
    """Write a record, in one step; an earlier one of the same content and suite is replaced.

    Returns
    -------
    Path
        The file.
    """
    folder = node_folder / FOLDER / record.center
    path = folder / f"{record.suite}.json"
    if record.study is not None:
        path = (
            folder
            / record.study.study_key
            / f"{record.study.content_digest[:16]}-{record.suite}.json"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    temporary.write_text(
        json.dumps(_to_plain(record), ensure_ascii=False, indent=1), encoding="utf-8"
    )
    temporary.replace(path)
    return path


def kept(node_folder: Path, center: str) -> Iterator[SuiteRecord]:
    """Yield the records of a centre: those of the clinical table and the cohort, and of each study
    the newest.

    A file that cannot be read is left out: the next evaluation writes it anew.
    """
    folder = node_folder / FOLDER / center
    for path in sorted(folder.glob("*.json")):
        if (record := _read(path)) is not None:
            yield record
    for study in sorted(path for path in folder.glob("*") if path.is_dir()):
        of_study = [
            record for path in sorted(study.glob("*.json")) if (record := _read(path)) is not None
        ]
        first = [
            record for record in of_study if record.suite == "study" and record.study is not None
        ]
        if not first:
            continue
        newest = max(first, key=lambda record: record.checked_at)
        yield from (record for record in of_study if record.study == newest.study)


def of_content(node_folder: Path, study: StudyIdentity) -> list[SuiteRecord]:
    """Return what came of the suites on one content of a study."""
    folder = node_folder / FOLDER / study.center / study.study_key
    paths = sorted(folder.glob(f"{study.content_digest[:16]}-*.json"))
    return [record for path in paths if (record := _read(path)) is not None]


def _to_plain(record: SuiteRecord) -> dict[str, object]:
    return {
        "suite": record.suite,
        "center": record.center,
        "study": None if record.study is None else vars(record.study),
        "codes": list(record.codes),
        "findings": [
            {"severity": str(one.severity), "code": one.code, "sentence": one.sentence}
            for one in record.findings
        ],
        "n": record.n,
        "checked_at": record.checked_at.isoformat(),
        "software_version": record.software_version,
    }


def _read(path: Path) -> SuiteRecord | None:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return SuiteRecord(
            suite=plain["suite"],
            center=plain["center"],
            study=None if plain["study"] is None else StudyIdentity(**plain["study"]),
            codes=tuple(plain["codes"]),
            findings=tuple(
                Finding(Severity(one["severity"]), one["code"], one["sentence"])
                for one in plain["findings"]
            ),
            n=plain["n"],
            checked_at=datetime.fromisoformat(plain["checked_at"]),
            software_version=plain["software_version"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
