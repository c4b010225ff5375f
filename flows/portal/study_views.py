"""What is shown of one study: where it is and why, what was measured, found and said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from dicom_node.errors import NodeError, UnknownStudyError
from dicom_node.registry.ct_choice import IN_WORDS
from dicom_node.registry.registry import StudyRecord, StudyState
from dicom_node.settings import SettingsError
from feature_store.errors import FeatureStoreError, StudyDefect
from feature_store.expectations.checks import Check
from feature_store.expectations.suites import RELEASABLE, SUITE_TITLES, SUITES
from feature_store.imaging.regions import Region
from feature_store.rules import Finding, Severity
from feature_store.score import ScoreRow
from feature_store.study_identity import StudyIdentity
from feature_store.tables.rows import score_of
from flows.data.contour_scores import range_of
from flows.data.model_features import stored_features_of
from flows.portal.look import Look, NotHereError
from flows.portal.operator_commands import operator_commands
from flows.portal.pictures import Pictures, Slice
from flows.portal.prefect_runs import browser_address, runs_of
from models.bundle.facts import BundleFacts
from models.combined.explanation import explain
from models.errors import ModelError
from validation_reports.portal_pages.slice_picture import RING_COLOURS
from validation_reports.wording import range_words

_SHOWN_CONTRIBUTIONS = 40


@dataclass(frozen=True)
class ShownFinding:
    """A finding with what was expected in its place; empty where the rules do not say."""

    finding: Finding
    suite: str
    expected: str


@dataclass(frozen=True)
class ShownScore:
    """A score with what must be known of its model, or why that is not known; and where it lies
    over other contours, in words.
    """

    score: ScoreRow
    facts: BundleFacts | None
    why_unknown: str
    is_pinned: bool
    over_contours: str


def study(look: Look) -> Response:
    """Return the page of one study."""
    record = look.study()
    newest = record.contents[0] if record.contents else None
    store_says = ""
    checks: tuple[Check, ...] = ()
    scores: list[ShownScore] = []
    try:
        if newest is not None:
            checks = look.work.store.checks(record.summary.center, _identity(record))
            scores = _scores(look, _identity(record))
    except FeatureStoreError as error:
        store_says = str(error)
    found = [finding for check in checks for finding in check.findings]
    return look.page(
        "study",
        f"Study {record.summary.study_key}",
        record=record,
        study=record.summary,
        newest=newest,
        evidence=IN_WORDS,
        findings=_findings(checks),
        n_judged=sum(len(check.codes) for check in checks),
        scores=scores,
        store_says=store_says,
        **_slice_key(look),
        can_be_drawn=all(
            one.severity is not Severity.CRITICAL or one.code in RELEASABLE for one in found
        ),
        releases=look.registry.releases.recorded(record.summary.study_key),
        commands=operator_commands(record, found),
        prefect=browser_address(look.work.settings) if look.sees_all else None,
        is_quarantined=record.summary.state is StudyState.QUARANTINED,
    )


def slices(look: Look) -> Response:
    """Return the slices of a study, one below the other."""
    record = look.study()
    try:
        found, why = _pictures(look, record).slices[::-1], ""
    except (StudyDefect, NodeError, SettingsError) as error:
        found, why = (), str(error)
    return look.page(
        "slices",
        f"Slices of study {record.summary.study_key}",
        study=record.summary,
        slices=found,
        middle=_middle(found),
        why=why,
        **_slice_key(look),
    )


def slice_png(look: Look) -> Response:
    """Return the picture of one slice, by its number or as that through the middle of the GTV."""
    record, name = look.study(), look.names["number"]
    try:
        found = _pictures(look, record)
    except (StudyDefect, UnknownStudyError) as error:
        raise NotHereError from error
    numbers = {str(one.number): one.number for one in found.slices}
    number = _middle(found.slices) if name == "middle" else numbers.get(name)
    if number is None:
        raise NotHereError
    return Response(found.pictures[number - 1], media_type="image/png")


def explanation(look: Look) -> Response:
    """Return what the newest score by the pinned model is made of, from what was kept."""
    record = look.study()
    parts, why = None, "The study was never complete."
    if record.contents:
        try:
            features = stored_features_of(look.work, _identity(record))
            why = "Nothing that the pinned model reads is kept of the newest content."
            if len(features):
                (parts,) = explain(look.work.bundle.model, features)
        except (FeatureStoreError, ModelError, SettingsError) as error:
            why = str(error)
    return look.page(
        "explanation",
        f"What the score of study {record.summary.study_key} is made of",
        study=record.summary,
        parts=parts,
        why=why,
        shown=_SHOWN_CONTRIBUTIONS,
        model=None if parts is None else look.work.bundle.facts,
    )


def runs(look: Look) -> Response:
    """Return the runs of a study in Prefect."""
    record = look.study()
    study = record.summary
    found = runs_of(look.work.settings, study.center, study.patient_key, study.study_key)
    return look.page(
        "runs",
        f"Runs of study {record.summary.study_key}",
        study=record.summary,
        runs=found,
        prefect=browser_address(look.work.settings) if look.sees_all else None,
    )


def _slice_key(look: Look) -> dict[str, object]:
    """Return what the outlines on the pictures are."""
    widths = look.work.settings.features.ring_widths_mm
    return {"rings": [str(Region.ring(width)) for width in widths], "n_colours": len(RING_COLOURS)}


def _middle(slices: Sequence[Slice]) -> int | None:
    """Return the number of the slice in the middle of those that cut the GTV."""
    through = sorted(one.number for one in slices if str(Region.GTV) in one.regions)
    return through[len(through) // 2] if through else None


def _identity(record: StudyRecord) -> StudyIdentity:
    """Return the newest content of a study."""
    newest = record.contents[0]
    return StudyIdentity(
        record.summary.center,
        newest.patient_key,
        record.summary.study_key,
        newest.content_digest,
    )


def _pictures(look: Look, record: StudyRecord) -> Pictures:
    """Return the pictures of a study's newest content.

    Raises
    ------
    StudyDefect
        If nothing can be measured of it.
    NodeError
        If it was never complete, or its files are gone.
    """
    key = record.summary.study_key
    digest = record.contents[0].content_digest if record.contents else ""
    return look.shared.pictures.of(digest, lambda: look.registry.outbox.files(key))


def _findings(checks: tuple[Check, ...]) -> list[ShownFinding]:
    """Return what was found, what quarantines first, each beside what was expected."""
    shown = []
    for check in checks:
        expected = {rule.code: rule.expected for rule in SUITES.get(check.suite, ())}
        shown += [
            ShownFinding(
                one, SUITE_TITLES.get(check.suite, check.suite), expected.get(one.code, "")
            )
            for one in check.findings
        ]
    return sorted(shown, key=lambda one: one.finding.severity is not Severity.CRITICAL)


def _scores(look: Look, identity: StudyIdentity) -> list[ShownScore]:
    """Return the scores of a content by every model, that of the pinned one first."""
    content = {"study_key": identity.study_key, "content_digest": identity.content_digest}
    pinned = look.work.settings.model.digest
    shown = []
    for row in look.work.store.rows("scores", content).to_pylist():
        score = score_of(row)
        over_contours = look.work.store.contour_scores(score.model_digest, identity.center)
        found = over_contours.get(identity)
        over = None if found is None else range_of(found)
        facts = look.shared.facts_of(score.model_digest)
        shown.append(
            ShownScore(
                score,
                facts if isinstance(facts, BundleFacts) else None,
                facts if isinstance(facts, str) else "",
                score.model_digest == pinned,
                "" if over is None else range_words(over, high_risk=score.high_risk),
            )
        )
    return sorted(shown, key=lambda one: (not one.is_pinned, one.score.scored_at))
