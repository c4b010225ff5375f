"""What a run tells of itself: centres, outcome and warnings."""

from __future__ import annotations

from prefect.logging import disable_run_logger

from flows.runs.account import about, account, run_tags, warn, with_warnings


def test_an_account_holds_what_was_told_while_it_was_open() -> None:
    about("before")
    with account() as told, disable_run_logger():
        about("B", "C")
        warn("It is late.")
    about("after")
    assert (told.centers, told.warnings) == (["B", "C"], ["It is late."])


def test_warnings_are_spelled_out_up_to_a_number_that_can_be_read() -> None:
    assert with_warnings("done", []) == "done"
    assert with_warnings("done", ["A."]) == "done; 1 warning: A."
    assert with_warnings("done", ["A.", "B.", "A."]) == "done; 2 warnings: A. B."
    many = with_warnings("done", [f"{number}." for number in range(25)])
    assert many.startswith("done; 25 warnings: 0. 1. ")
    assert many.endswith(" 19. 5 others are in the log.")


def test_a_run_is_found_by_its_centres_and_its_outcome() -> None:
    assert run_tags(["B", "B", "C"], "Already scored") == [
        "center:B",
        "center:C",
        "outcome:already-scored",
    ]
    assert run_tags([], None) == []
