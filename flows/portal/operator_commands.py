"""The commands that an operator may give on a study as it is now; the portal gives none itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.registry.registry import StudyRecord, StudyState
from feature_store.expectations.suites import RELEASABLE
from feature_store.rules import Finding, Severity

_FLOWS = "python -m flows"


@dataclass(frozen=True)
class OperatorCommand:
    """A command line, and what it does."""

    words: str
    what: str


def operator_commands(
    record: StudyRecord, findings: Sequence[Finding]
) -> tuple[OperatorCommand, ...]:
    """Return what an operator may do with a study.

    Parameters
    ----------
    record : StudyRecord
        What the registry knows of it.
    findings : sequence of Finding
        What was found of its newest content.
    """
    study = record.summary
    found = []
    if study.state is StudyState.QUARANTINED and is_releasable(study.sentence or "", findings):
        found.append(
            OperatorCommand(
                f'{_FLOWS} release {study.study_key} --by "NAME" --reason "…"',
                "score it all the same; who decided and why stands in the structured report",
            )
        )
    if study.state in {StudyState.HELD, StudyState.INCOMPLETE, StudyState.QUARANTINED}:
        found.append(
            OperatorCommand(
                f"{_FLOWS} requeue {study.study_key}", "work on it again, when it was mended"
            )
        )
    if study.state in {StudyState.SCORED, StudyState.EXTRACTED}:
        found.append(
            OperatorCommand(f"{_FLOWS} requeue {study.study_key} --again", "do it once more")
        )
    if study.state is StudyState.SCORED:
        found.append(
            OperatorCommand(
                f"{_FLOWS} explain {study.study_key} --occlusion map.dcm",
                "what the score is made of, and where the network looked",
            )
        )
    if record.reports:
        found.append(
            OperatorCommand(
                f"{_FLOWS} redeliver {study.study_key}", "send its structured report again"
            )
        )
    if record.contents:
        found.append(
            OperatorCommand(
                f"{_FLOWS} store data-docs --study {study.study_key} --output docs",
                "every expectation on it, as Great Expectations shows it",
            )
        )
    found.append(
        OperatorCommand(
            f"python -m dicom_node who {study.study_key}",
            "which patient that is, on the archive's own machine; asking is on record",
        )
    )
    return tuple(found)


def is_releasable(sentence: str, findings: Sequence[Finding]) -> bool:
    """Say whether findings alone keep a study in quarantine that an operator may waive.

    Parameters
    ----------
    sentence : str
        Why it is there.
    findings : sequence of Finding
        What was found of it.
    """
    critical = [one for one in findings if one.severity is Severity.CRITICAL]
    return all(one.code in RELEASABLE for one in critical) and any(
        one.sentence in sentence for one in critical
    )
