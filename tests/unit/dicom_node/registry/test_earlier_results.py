"""What a new result replaces: the report that it supersedes, and what the PACS is to retire."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.center import USUALLY_RETURNED, ReturnedObject
from dicom_node.registry.registry import Delivery, StudyState
from tests.support.intake_bench import Bench, rtstruct, whole_study

MODEL = "m" * 64
WITH_NOTE = (*USUALLY_RETURNED, ReturnedObject.NOTE)


def _finish(bench: Bench, report: Path) -> str:
    """Finish the study that is due, with a report, and return the digest of its content."""
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, MODEL, StudyState.SCORED, None, report
    )
    return item.content_digest


def test_a_replaced_rtstruct_is_scored_anew_and_its_report_knows_the_one_that_it_supersedes(
    bench: Bench, tmp_path: Path
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    first = _finish(bench, tmp_path / "first.dcm")
    (study,) = bench.registry.studies.summaries()
    assert bench.registry.earlier_results.previous_report(study.study_key, first, MODEL) is None
    listed = [str(one.SOPInstanceUID) for one in slices]
    bench.push(rtstruct(listed, sop="1.2.1.9.2", made=("20240518", "083000")))
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.QUEUED
    second = _finish(bench, tmp_path / "second.dcm")
    assert second != first
    assert (
        bench.registry.earlier_results.previous_report(study.study_key, second, MODEL)
        == tmp_path / "first.dcm"
    )
    bench.push(
        rtstruct(listed, sop="1.2.1.9.0", made=("20240101", "083000"))
    )  # older: changes nothing
    assert bench.registry.outbox.counts() == {"waiting": 0, "claimed": 0, "held": 0, "done": 2}


def test_another_model_s_report_is_the_one_that_a_new_one_supersedes(
    bench: Bench, tmp_path: Path
) -> None:
    bench.complete()
    content = _finish(bench, tmp_path / "first.dcm")
    (study,) = bench.registry.studies.summaries()
    found = bench.registry.earlier_results.previous_report(study.study_key, content, "n" * 64)
    assert found == tmp_path / "first.dcm"


class _Drawn:
    """A study whose contour is drawn again and again, with what each drawing returned."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.slices, drawn = whole_study()
        bench.push(*self.slices, drawn)
        (study,) = bench.registry.studies.summaries()
        self.key = study.study_key

    def again(self, minute: int) -> None:
        listed = [str(one.SOPInstanceUID) for one in self.slices]
        made = ("20300518", f"08{minute:02}00")
        self.bench.push(rtstruct(listed, sop=f"1.2.1.9.{minute + 10}", made=made))

    def finish(self, name: str, kinds: tuple[ReturnedObject, ...]) -> str:
        files = {kind: Path(f"{name}-{kind}") for kind in kinds}
        item = self.bench.claim()
        self.bench.registry.outbox.finish(
            item.study_key,
            item.content_digest,
            MODEL,
            StudyState.SCORED,
            None,
            files.pop(ReturnedObject.SR, None),
            beside=files,
        )
        return item.content_digest

    def to_retire(self, content: str) -> list[str]:
        found = self.bench.registry.earlier_results.to_retire(self.key, content, MODEL)
        return [str(path) for path in found]

    def due(self) -> list[Delivery]:
        return self.bench.registry.deliveries.due(["alpha"])


def test_what_the_pacs_has_of_earlier_results_is_retired_once(bench: Bench) -> None:
    drawn, waiting = _Drawn(bench), bench.registry.deliveries
    first = drawn.finish("first", USUALLY_RETURNED)
    assert drawn.to_retire(first) == []
    for kind in USUALLY_RETURNED:
        (one,) = drawn.due()
        assert one.kind is kind
        if kind is ReturnedObject.PDF:
            waiting.mark_failed(one.id, "accepted no presentation context", 30, answered=True)
        elif kind is ReturnedObject.SEG:
            waiting.await_commitment(one.id, "1.2.3", 900)
        else:
            waiting.mark_delivered(one.id)
    drawn.again(1)
    second = drawn.finish("second", WITH_NOTE)
    assert drawn.to_retire(second) == ["first-seg", "first-sr"]  # it never had the page
    drawn.again(2)
    third = drawn.finish("third", WITH_NOTE)
    assert drawn.to_retire(third) == ["second-seg", "second-pdf", "second-sr"]


def test_what_a_refused_note_named_is_named_by_the_next(bench: Bench) -> None:
    drawn, waiting = _Drawn(bench), bench.registry.deliveries
    drawn.finish("first", (ReturnedObject.SR,))
    waiting.mark_delivered(drawn.due()[0].id)
    drawn.again(1)
    drawn.finish("second", (ReturnedObject.SR, ReturnedObject.NOTE))
    waiting.mark_delivered(drawn.due()[0].id)
    (note,) = drawn.due()
    waiting.mark_failed(note.id, "accepted no presentation context", 9000, answered=True)
    drawn.again(2)
    third = drawn.finish("third", (ReturnedObject.SR, ReturnedObject.NOTE))
    assert drawn.to_retire(third) == ["first-sr", "second-sr"]


@pytest.mark.parametrize("way", ["delivered", "committed"])
def test_nothing_is_retired_before_the_new_report_is_in_the_pacs(bench: Bench, way: str) -> None:
    drawn, waiting = _Drawn(bench), bench.registry.deliveries
    drawn.finish("first", (ReturnedObject.SR,))
    (old,) = drawn.due()
    waiting.mark_failed(old.id, "the PACS is down", 9000)
    drawn.again(1)
    drawn.finish("second", (ReturnedObject.SR, ReturnedObject.NOTE))
    (new,) = drawn.due()
    waiting.mark_failed(new.id, "refused", 9000, answered=True)
    assert drawn.due() == []  # refused: the old one is all that the PACS will have
    if way == "delivered":
        waiting.mark_delivered(new.id)
    else:
        waiting.await_commitment(new.id, "1.2.3", 9000)
        assert drawn.due() == []
        waiting.mark_delivered(new.id)
    assert drawn.due() == []  # the old one is yet to come
    waiting.mark_delivered(old.id)
    assert [one.kind for one in drawn.due()] == [ReturnedObject.NOTE]
