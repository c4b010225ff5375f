"""Training patients are recognised by salted digests, from which nothing else can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import DIGESTS, freeze, load
from models.bundle.training_digests import TrainingDigests, training_digests
from models.combined.combined_model import CombinedModel
from models.errors import BundleError

PIXELS = (("p1", "p2"), ("p3",), ())
INSTANCES = (("u1", "u2"), ("u3",), ())
PERSONS = ("n1", "n2", "n1")


def test_no_mark_can_be_read_and_no_two_bundles_be_compared() -> None:
    found = training_digests(PIXELS, INSTANCES, PERSONS)
    other = training_digests((*PIXELS, ("p9",)), INSTANCES, PERSONS)
    marks = {mark for sketch in (*PIXELS, *INSTANCES) for mark in sketch} | set(PERSONS)
    written = {one for sketch in (*found.pixels, *found.instances) for one in sketch}
    assert len(written) == 6
    assert written.isdisjoint(marks)
    assert set(found.persons).isdisjoint(marks)
    assert len(found.persons) == 2
    assert written.isdisjoint(one for sketch in other.pixels for one in sketch)
    assert set(found.salted(("p1", "p2"))) in [set(sketch) for sketch in found.pixels]


def test_the_same_marks_give_the_same_digests_whatever_their_order() -> None:
    again = training_digests(PIXELS[::-1], INSTANCES[::-1], PERSONS[::-1])
    assert again == training_digests(PIXELS, INSTANCES, PERSONS)


def test_they_are_a_file_of_the_bundle_of_their_own(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    digests = training_digests(PIXELS, INSTANCES, PERSONS)
    folder = tmp_path / "bundle"
    bundle = load(folder, freeze(folder, model, None, facts, digests=digests))
    assert bundle.digests == digests
    assert set(json.loads((folder / DIGESTS).read_text())) == {
        *("salt", "pixels", "instances", "persons")
    }
    other = tmp_path / "again"
    assert freeze(other, bundle.model, None, bundle.facts, digests=bundle.digests) == bundle.digest


def test_a_salt_is_one() -> None:
    with pytest.raises(BundleError, match="32 hexadecimal digits"):
        TrainingDigests("short")
