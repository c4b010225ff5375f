"""Random contours of one slice, and random whole studies: ``python -m tests.torture.geometry
--examples 20000 --studies 500``.

Drawings are made for a mask, which must come out, with every fact that was drawn and no other.
Scribbles are made for none: where the exclusive or and the union of what they enclose differ, that
must be a fact or a refusal, and where they agree, they must be the mask. All are drawn from one
seed. The last line is JSON: how many examples, and how often each fact and refusal occurred.

Studies are written as DICOM files, encoded and spoilt in many ways, and read as the product reads
them: every voxel's value, the GTV and its ring must lie at their places in the patient, or the code
of what is wrong must be said.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from feature_store.imaging.contour_combination import (
    CombinedSlice,
    OverlappingContours,
    SliceRefusal,
    combine,
)
from feature_store.imaging.contour_relations import SliceContour
from tests.support.contour_drawings import (
    SHAPE,
    Drawing,
    Mask,
    Polygon,
    drawings,
    near_lines,
    scribbles,
    turns_seen,
)
from tests.support.drawn_studies import DrawnStudy, studies
from tests.torture.drawn_study import check_study

_UNITABLE = {SliceRefusal.OVERLAP, SliceRefusal.NEARLY_REPEATED, SliceRefusal.OVERLAPS_ITSELF}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20000)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    found = torture(options.examples, options.seed)
    print(json.dumps({**found, "studies": torture_studies(options.studies, options.seed)}))
    return 0


def _long(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def torture_studies(examples: int, number: int) -> dict[str, int]:
    """Check so many studies, and count how they ended: right, or by the code of a refusal."""
    ended: Counter[str] = Counter()

    @seed(number)
    @_long(examples)
    @given(studies())
    def read(drawn: DrawnStudy) -> None:
        with TemporaryDirectory() as folder:
            ended[check_study(drawn, Path(folder))] += 1

    if examples:
        read()
    return dict(ended.most_common())


def torture(examples: int, number: int) -> dict[str, int | dict[str, int]]:
    """Check so many drawings and as many scribbles, and count what was seen; the first that is
    wrong is raised, in its simplest form.
    """
    seen: Counter[str] = Counter()
    long = _long(examples)

    @seed(number)
    @long
    @given(drawings(), st.randoms(use_true_random=False))
    def drawn(drawing: Drawing, random: Random) -> None:
        _count(seen, "drawings", check_drawing(drawing, random))

    @seed(number)
    @long
    @given(scribbles())
    def scribbled(polygons: list[Polygon]) -> None:
        _count(seen, "scribbles", check_scribble(polygons))

    drawn()
    scribbled()
    return {
        "drawings": seen.pop("drawings"),
        "scribbles": seen.pop("scribbles"),
        "seen": dict(sorted(seen.items())),
    }


def check_drawing(drawing: Drawing, random: Random) -> CombinedSlice:
    """Check what comes of a drawing, in a random order of its contours."""
    order = list(range(len(drawing.polygons)))
    random.shuffle(order)
    contours = drawing.contours(order)
    clear = ~near_lines(drawing.polygons)
    found = combine(contours, SHAPE)
    assert found.refusal is drawing.refusal
    if found.mask is not None:
        _agree(found.mask, drawing.mask, clear)
    facts = found.facts
    assert len(facts.remnants) == drawing.remnants
    if drawing.refusal is not SliceRefusal.CANCEL:
        assert len(facts.repeated) == drawing.repeated
    assert bool(facts.crossing_themselves) == bool(drawing.crossing)
    assert not facts.overlapping_themselves
    if drawing.refusal in {None, *_UNITABLE}:
        united = combine(contours, SHAPE, OverlappingContours.UNION)
        assert united.mask is not None
        _agree(united.mask, drawing.united, clear)
    return found


def check_scribble(polygons: list[Polygon]) -> CombinedSlice:
    """Check that what comes of contours is what every reading of them gives, or is said."""
    contours = [SliceContour(n, polygon) for n, polygon in enumerate(polygons)]
    found = combine(contours, SHAPE)
    facts = found.facts
    counted = [
        np.abs(turns_seen(p))
        for c, p in zip(contours, polygons, strict=True)
        if c.number not in facts.remnants
    ]
    exclusive, union, times = (np.zeros(SHAPE, dtype=np.int_) for _ in range(3))
    for turned in counted:
        exclusive ^= turned & 1
        union |= turned != 0
        times += turned
    clear = ~near_lines(polygons)
    if found.mask is None:
        on_a_line = near_lines(polygons, 0.001).any()  # there a reading is a matter of rounding
        assert on_a_line or (times > 1).any(), "refused although no pixel is enclosed twice"
        return found
    _agree(found.mask, union == 1, clear & (times <= 1))
    assert not (found.mask & (union == 0) & clear).any(), "encloses what no contour does"
    filled = found.mask & (exclusive == 0) & clear
    if filled.any():
        assert facts.repeated or facts.retraced, "fills what the exclusive or leaves out"
    left_out = ~found.mask & (union == 1) & clear
    if np.count_nonzero(left_out) > len(polygons):  # each may lose one pixel without a word
        assert facts.holes or facts.crossing_themselves or facts.keyholes, (
            "leaves out what the union has"
        )
    return found


def _agree(found: Mask, expected: Mask, where: Mask) -> None:
    wrong = np.argwhere((found != expected) & where)
    assert not len(wrong), f"{len(wrong)} pixels are wrong, the first at (y, x) = {wrong[0]}"


def _count(seen: Counter[str], kind: str, found: CombinedSlice) -> None:
    seen[kind] += 1
    if found.refusal:
        seen[found.refusal.value] += 1
    names = [f.name for f in fields(found.facts)][3:-1]
    seen.update(name for name in names if getattr(found.facts, name))


if __name__ == "__main__":
    raise SystemExit(main())
