"""The state table of an acceptor, row by row against PS3.8 table 9-10, typed here a second time."""

from __future__ import annotations

import pytest

from dicom_node.scp.state_machine import TRANSITIONS, Action, Event, State

# Columns: Sta2, Sta3, Sta6, Sta8, Sta13 of PS3.8 table 9-10; "-" is a blank cell, "." is one that
# an acceptor which answers on the spot cannot reach: it reads nothing between a request (Sta3,
# Sta8) and its own answer.
TABLE = """
Evt3   AA-1/13  .       AA-8/13  .       AA-6/13
Evt4   AA-1/13  .       AA-8/13  .       AA-6/13
Evt6   AE-6/3   .       AA-8/13  .       AA-7/13
Evt7   -        AE-7/6  -        -       -
Evt8   -        AE-8/13 -        -       -
Evt10  AA-1/13  .       DT-2/6   .       AA-6/13
Evt12  AA-1/13  .       AR-2/8   .       AA-6/13
Evt13  AA-1/13  .       AA-8/13  .       AA-6/13
Evt14  -        -       -        AR-4/13 -
Evt15  -        .       AA-1/13  .       -
Evt16  AA-2/1   .       AA-3/1   .       AA-2/1
Evt17  AA-5/1   AA-4/1  AA-4/1   AA-4/1  AR-5/1
Evt18  AA-2/1   -       -        -       AA-2/1
Evt19  AA-1/13  AA-8/13 AA-8/13  .       AA-7/13
"""
COLUMNS = ("Sta2", "Sta3", "Sta6", "Sta8", "Sta13")


def _cells() -> list[tuple[str, str, str]]:
    rows = [line.split() for line in TABLE.strip().splitlines()]
    return [
        (event, state, cell)
        for event, *cells in rows
        for state, cell in zip(COLUMNS, cells, strict=True)
    ]


@pytest.mark.parametrize(("event", "state", "cell"), _cells())
def test_each_cell_is_the_standard_s(event: str, state: str, cell: str) -> None:
    found = TRANSITIONS.get((State(state), Event(event)))
    if cell in {"-", "."}:
        assert found is None
    else:
        action, following = cell.split("/")
        assert found == (Action(action), State(f"Sta{following}"))


def test_nothing_else_is_in_the_table_and_the_connection_always_comes_to_its_end() -> None:
    assert len(TRANSITIONS) == sum(cell not in {"-", "."} for _, _, cell in _cells())
    reachable = {State.AWAITING_REQUEST}
    while True:
        following = {
            after for (before, _), (_, after) in TRANSITIONS.items() if before in reachable
        }
        if following <= reachable:
            break
        reachable |= following
    assert reachable == set(State)
    assert all(
        TRANSITIONS[state, Event.CLOSED][1] is State.IDLE
        for state in State
        if state is not State.IDLE
    )
