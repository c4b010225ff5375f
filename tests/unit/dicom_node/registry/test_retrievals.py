"""What is asked for: once for each content, for no longer than a study is waited for, and never by
a centre that names no PACS.
"""

from __future__ import annotations

from dataclasses import replace

from dicom_node.center import Center, Completeness, QuerySource, ReturnDestination
from dicom_node.registry.registry import StudyState
from dicom_node.registry.retrievals import Retrieval
from tests.support.intake_bench import Bench, center, ct_slice, whole_study

SOURCE = QuerySource(ReturnDestination("PACS", "127.0.0.1", 104))


def _asking(completeness: Completeness = Completeness.STRICT) -> Center:
    return replace(center(completeness=completeness), query_from=SOURCE)


def _quiet(bench: Bench, one: Center) -> None:
    bench.clock.advance(60)
    bench.registry.studies.settle(one)


def _due(bench: Bench) -> list[Retrieval]:
    return bench.registry.retrievals.due(["alpha"])


def test_nobody_is_asked_unless_the_centre_names_a_pacs(bench: Bench) -> None:
    bench.push(ct_slice(0))
    _quiet(bench, center())
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.INCOMPLETE
    assert bench.registry.retrievals.counts() == {}


def test_what_is_lacking_is_due_with_the_file_that_names_it(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices[:2], drawn)
    _quiet(bench, _asking())
    (one,) = _due(bench)
    assert bench.registry.retrievals.due(["beta"]) == []
    assert one.lacking.series == ("1.2.1.1",)
    assert one.lacking.named == {str(two.SOPInstanceUID) for two in slices[2:]}
    assert (bench.archive.instances / one.witness).is_file()
    assert bench.registry.studies.settle(_asking()) == 0  # it waits for the answer
    assert bench.registry.retrievals.lacks("alpha", one.lacking.named) == one.lacking.named
    bench.push(slices[2])
    assert bench.registry.retrievals.lacks("alpha", one.lacking.named) == {
        str(slices[3].SOPInstanceUID)
    }


def test_a_study_that_becomes_whole_meanwhile_is_not_asked_for_any_more(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices[:2], drawn)
    _quiet(bench, _asking())
    bench.push(*slices[2:])
    assert _due(bench) == []
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.QUEUED
    bench.registry.retrievals.finish(study.study_key, "nothing was to be done")
    _quiet(bench, _asking())
    assert bench.registry.outbox.counts()["waiting"] == 1


def test_a_lenient_centre_asks_before_it_scores_a_part(bench: Bench) -> None:
    slices, drawn = whole_study(12)
    one = _asking(Completeness.LENIENT)
    bench.push(*slices[:10], drawn)
    _quiet(bench, one)
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.RECEIVING
    bench.registry.retrievals.mark_failed(study.study_key, "PACS said no", 5.0, is_last=True)
    _quiet(bench, one)
    assert bench.state(study.study_key)[0] is StudyState.QUEUED
    (unmet,) = [
        warning.sentence
        for warning in bench.registry.outbox.files(study.study_key).warnings
        if warning.code == "list-unmet"
    ]
    assert unmet.endswith(". PACS said no")


def test_the_longest_wait_holds_for_an_answer_too(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices[:2], drawn)
    _quiet(bench, _asking())
    bench.clock.advance(_asking().longest_wait_s)
    assert bench.registry.studies.settle(_asking()) == 1
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.INCOMPLETE
    (one,) = _due(bench)  # and is asked for all the same
    assert bench.registry.retrievals.seconds_asked(one) == _asking().longest_wait_s


def test_who_is_erased_is_not_asked_for(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices[:2], drawn)
    _quiet(bench, _asking())
    (study,) = bench.registry.studies.summaries()
    traces = bench.registry.people.traces("alpha", study.patient_key)
    bench.registry.people.forget(traces, traces.studies)
    assert bench.registry.retrievals.counts() == {}
