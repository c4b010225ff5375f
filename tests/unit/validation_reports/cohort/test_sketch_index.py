"""Owners of the same images are found among many, by a quarter of what is kept."""

from __future__ import annotations

from validation_reports.cohort.sketch_index import SketchIndex


def sketch(name: str, first: int = 0) -> tuple[str, ...]:
    return tuple(f"{name}{number:02d}" for number in range(first, first + 16))


def test_owners_are_found_by_what_is_shared() -> None:
    index = SketchIndex()
    index.add(("A", "a1"), sketch("x"), sketch("y"))
    index.add(("B", "b1"), sketch("x", 12))
    index.add(("B", "b2"), sketch("x", 13))
    assert index.owners(sketch("x")) == {("A", "a1"), ("B", "b1")}
    assert index.owners(sketch("z"), sketch("y")) == {("A", "a1")}
    assert index.owners() == index.owners(()) == set()
