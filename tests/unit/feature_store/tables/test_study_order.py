"""Which study of a patient counts does not hang on what is done again, or in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

from feature_store.study_identity import StudyIdentity
from feature_store.tables.study_order import FirstStudy, StudyOrder

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def content(study: str, digest: str) -> StudyIdentity:
    return StudyIdentity("A", "p", study, digest)


PLANNED, REDRAWN, REPLANNED = content("s2", "c1"), content("s2", "c0"), content("s1", "c2")
READ = {
    REPLANNED: NOON,
    PLANNED: NOON + timedelta(days=1),
    REDRAWN: NOON + timedelta(days=2),
}


def test_the_first_ct_counts_and_of_it_the_content_read_last() -> None:
    order = StudyOrder(READ, {}, {PLANNED: 100, REDRAWN: 100, REPLANNED: 900})
    for moments in permutations([NOON, NOON + timedelta(1), NOON + timedelta(2)]):
        contents = dict(zip((PLANNED, REDRAWN, REPLANNED), moments, strict=True))
        assert order.first(contents) == {("A", "p"): FirstStudy(REDRAWN, 2, order_known=True)}


def test_two_cts_of_one_study_are_two() -> None:
    order = StudyOrder(READ, {}, {PLANNED: 100, REDRAWN: 900})
    assert order.first(dict.fromkeys((PLANNED, REDRAWN), NOON)) == {
        ("A", "p"): FirstStudy(PLANNED, 2, order_known=True)
    }


def test_months_tell_what_earlier_releases_kept() -> None:
    months = {PLANNED: "2020-03", REDRAWN: "2020-03", REPLANNED: "2020-05"}
    (first,) = StudyOrder(READ, months).first(dict.fromkeys(READ, NOON)).values()
    assert first == FirstStudy(REDRAWN, 2, order_known=True)


def test_without_an_order_the_study_that_was_read_first_counts() -> None:
    same_month = dict.fromkeys(READ, "2020-03")
    (first,) = StudyOrder(READ, same_month).first(dict.fromkeys(READ, NOON)).values()
    assert first == FirstStudy(REPLANNED, 2, order_known=False)
    (only,) = StudyOrder().first({PLANNED: NOON}).values()
    assert only == FirstStudy(PLANNED, 1, order_known=True)
    assert StudyOrder().first({}) == {}


def test_a_content_that_was_replaced_counts_for_nobody_whatever_else_there_is() -> None:
    order = StudyOrder(READ, {}, {PLANNED: 100, REDRAWN: 100, REPLANNED: 900}, frozenset([REDRAWN]))
    assert order.first(dict.fromkeys(READ, NOON)) == {
        ("A", "p"): FirstStudy(PLANNED, 2, order_known=True)
    }
    assert order.first({REDRAWN: NOON}) == {}


def test_scores_under_a_pseudonym_that_was_corrected_count_for_nobody() -> None:
    corrected = StudyIdentity("A", "p2", "s2", "c9")
    other_center = StudyIdentity("B", "p", "s2", "c1")
    order = StudyOrder({**READ, corrected: NOON + timedelta(days=3), other_center: NOON})
    every = dict.fromkeys((*READ, corrected, other_center), NOON)
    assert order.first(every) == {
        ("A", "p"): FirstStudy(REPLANNED, 1, order_known=True),
        ("A", "p2"): FirstStudy(corrected, 1, order_known=True),
        ("B", "p"): FirstStudy(other_center, 1, order_known=True),
    }
    # also before the newer content is scored, when it has been read
    del every[corrected]
    assert ("A", "p2") not in order.first(every)
    assert order.first(every)["A", "p"].identity == REPLANNED
