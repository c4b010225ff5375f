"""No centre takes the places of another."""

from __future__ import annotations

from dicom_node.intake.places import Places


def test_a_centre_has_no_more_than_its_share() -> None:
    places = Places(4, ("a", "b"), share=2)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert [places.take("b") for _ in range(3)] == [True, True, False]
    assert places.taken == 4
    places.leave("a")
    assert places.take("a")


def test_a_place_is_kept_for_each_centre_that_has_none() -> None:
    places = Places(6, ("a", "b", "c"), share=6)
    assert [places.take("a") for _ in range(6)] == [True] * 4 + [False] * 2
    assert places.take("b")
    assert not places.take("b")
    assert places.take("c")
    assert places.taken == 6


def test_without_a_share_whoever_comes_first_takes_all() -> None:
    places = Places(2, ("a", "b"))
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert not places.take("b")


def test_with_more_centres_than_places_each_has_one_in_turn() -> None:
    places = Places(1, ("a", "b", "c"), share=1)
    assert places.take("b")
    assert not places.take("a")
    places.leave("b")
    assert places.take("a")
