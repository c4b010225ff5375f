"""Scores over contours: of what the model reads, kept, told, and the same every time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from pydicom import dcmread

from dicom_node.center import ReturnedObject
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.score import ScoreRow
from feature_store.study_features import prepared
from flows.data.contour_scores import range_of
from flows.installation import Installation
from flows.studies import certainty as step
from flows.studies import certainty_cohort, returned_objects, steps
from flows.studies.certainty import score_contours, scores_over_contours
from flows.studies.certainty_cohort import certainty_of_study, scored_without_contours
from flows.studies.page import patient_page
from flows.studies.scored import Scored, regions_shown
from models.combined.certainty import ScoreRange
from tests.unit.flows.studies.conftest import RETURN_TO, SCORED_AT, installed
from validation_reports.dicom.references import RoiReference
from validation_reports.dicom.segments import ShownRegions, segments_of

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

certainty = inspect.unwrap(step.certainty)
write_returned = inspect.unwrap(returned_objects.write_returned)
ASKED = "[certainty]\ncontours = 10\n"


@pytest.fixture(scope="module")
def work(archived: tuple[Path, str], bundle: Any) -> Iterator[Installation]:
    work = installed(archived[0], bundle, RETURN_TO + ASKED)
    yield work
    work.registry.close()


@pytest.fixture(scope="module")
def run(work: Installation, archived: tuple[Path, str]) -> steps.StudyRun:
    return steps.StudyRun(work, work.store, work.registry.outbox.files(archived[1]))


@pytest.fixture(scope="module")
def found(run: steps.StudyRun, scored: Scored) -> ScoreRange:
    with disable_run_logger():
        answer: ScoreRange = certainty(run, scored.checked, scored.answer)
    return answer


def test_the_drawn_contour_has_the_score_of_the_study(work: Installation, scored: Scored) -> None:
    study, settings = scored.checked.study, work.settings.extraction()
    drawn = prepared(study, settings)[1]
    nothing = BoxedMask(drawn.voxels & False, drawn.box, drawn.grid_shape)
    answers = score_contours(work.bundle, study, settings, [drawn, nothing])
    score, none = answers.linear_predictors
    assert score == pytest.approx(scored.answer.risk.linear_predictor, rel=1e-9)
    assert none is None
    (defect,) = answers.defects
    assert "The GTV has 0 voxels" in defect


def test_the_range_is_kept_with_the_scores_that_it_comes_from(
    run: steps.StudyRun, found: ScoreRange
) -> None:
    row = run.store.contour_scores(run.work.bundle.digest, "alpha")[run.identity]
    assert range_of(row) == found
    assert row.settings == (10, 1.2, 10.0, 3.0)
    assert row.computed_at == SCORED_AT
    assert found.contours == 10
    assert found.p10 < found.p90
    assert len(set(row.linear_predictors)) == 10


def test_the_same_study_gives_the_same_row_and_no_new_version(
    run: steps.StudyRun, scored: Scored, found: ScoreRange
) -> None:
    before = run.store.versions()
    with disable_run_logger():
        assert certainty(run, scored.checked, scored.answer) == found
    assert run.store.versions() == before


def test_without_the_setting_nothing_is_computed_or_kept(
    archived: tuple[Path, str], bundle: Any, scored: Scored
) -> None:
    work = installed(archived[0], bundle, RETURN_TO)
    try:
        run = steps.StudyRun(work, work.store, work.registry.outbox.files(archived[1]))
        assert certainty(run, scored.checked, scored.answer) is None
    finally:
        work.registry.close()


def test_a_ct_that_cannot_be_filtered_leaves_the_score_and_no_range(
    work: Installation, run: steps.StudyRun, scored: Scored
) -> None:
    volume = scored.checked.study.volume
    flat = replace(scored.checked.study, volume=volume.with_values(volume.hu * 0))
    with disable_run_logger():
        row = scores_over_contours(
            work, run.identity, flat, contours=10, high_risk=True, computed_at=SCORED_AT
        )
    assert row.linear_predictors == (None,) * 10
    assert range_of(row) is None


@pytest.mark.slow
def test_report_and_page_tell_the_range_and_never_of_confidence(
    run: steps.StudyRun, scored: Scored, found: ScoreRange
) -> None:
    told = replace(scored, over_contours=found)
    kept = []
    for _ in range(2):
        for path in (run.work.settings.node.folder / "structured_reports").rglob("*.dcm"):
            path.unlink()
        with disable_run_logger():
            written = write_returned(run, told)
        kept.append({kind: path.read_bytes() for kind, path in written.items()})
    assert kept[0] == kept[1]
    report = dcmread(written[ReturnedObject.SR])
    values: dict[str, float | str] = {}
    for item in report.iterall():
        if item.keyword == "ContentSequence":
            for one in item.value:
                if one.ValueType == "NUM":
                    code = one.ConceptNameCodeSequence[0].CodeValue
                    values[code] = float(one.MeasuredValueSequence[0].NumericValue)
                elif one.ValueType == "TEXT":
                    values[one.ConceptNameCodeSequence[0].CodeValue] = str(one.TextValue)
    assert values["score-p10"] == pytest.approx(found.p10, rel=1e-6)
    assert values["score-p90"] == pytest.approx(found.p90, rel=1e-6)
    assert values["other-group"] == 100 * found.other_group
    assert "(10th to 90th percentile)" in str(values["over-contours"])
    assert "confidence" not in str(values["over-contours"])
    assert len(kept[0][ReturnedObject.PDF]) > 1000


def test_the_page_tells_the_range_or_that_it_is_not_known(
    run: steps.StudyRun, scored: Scored, found: ScoreRange
) -> None:
    regions = regions_shown(run.work, scored)
    roi = RoiReference(number=1, name="GTV-1")
    shown = ShownRegions(segments_of(regions, scored.checked.rtstruct, roi), regions, None)
    for one, begins in (
        (replace(scored, over_contours=found), "Over 10 contours such as other readers might"),
        (scored, "How far the score would move with another contour is not known"),
    ):
        page = patient_page(run, one, shown, (), (), None)
        assert page.certainty.startswith(begins)


def test_what_was_scored_without_is_found_and_computed_afterwards(
    work: Installation, run: steps.StudyRun, scored: Scored
) -> None:
    risk = scored.answer.risk
    digest = "ef" * 32
    other = replace_digest(work, digest)
    other.store.put_score(
        ScoreRow(
            run.identity,
            digest,
            risk.linear_predictor,
            risk.high_risk,
            risk.survival,
            1,
            (),
            "test",
            SCORED_AT,
        )
    )
    study = (run.identity.study_key, run.identity.content_digest)
    assert scored_without_contours(other, "alpha") == [study]
    with disable_run_logger():
        verdict, sentence = certainty_of_study(other, *study, 12)
    assert (verdict in {certainty_cohort.KNOWN, certainty_cohort.UNCERTAIN}, sentence) == (True, "")
    assert scored_without_contours(other, "alpha") == []
    row = other.store.contour_scores(digest, "alpha")[run.identity]
    assert len(row.linear_predictors) == 12
    gone = certainty_of_study(other, "another", "content", 12)
    assert gone == (certainty_cohort.UNKNOWN, "The score of study another is gone.")


def replace_digest(work: Installation, digest: str) -> Installation:
    """Return the installation with the same model under another digest."""
    other = Installation(work.settings)
    bundle = work.bundle
    vars(other)["bundle"] = type(bundle)(**{**vars(bundle), "digest": digest})
    vars(other)["registry"] = work.registry
    return other
