"""PS3.8 table 9-10 for an AE that accepts associations: state x event -> action and next state.

The rows are the standard's own, with its names for states, events and actions; what an AE needs
that requests associations is left out. A row that is missing here cannot happen to an acceptor.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """The states of an accepting AE (PS3.8 section 9.2.1)."""

    IDLE = "Sta1"
    AWAITING_REQUEST = "Sta2"
    AWAITING_OWN_RESPONSE = "Sta3"
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE_RESPONSE = "Sta8"
    AWAITING_CLOSE = "Sta13"


class Event(StrEnum):
    """What can happen to an accepting AE (PS3.8 section 9.2.2)."""

    ASSOCIATE_AC = "Evt3"
    ASSOCIATE_RJ = "Evt4"
    ASSOCIATE_RQ = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    P_DATA = "Evt10"
    RELEASE_RQ = "Evt12"
    RELEASE_RP = "Evt13"
    RELEASE_RESPONSE = "Evt14"
    ABORT_REQUEST = "Evt15"
    ABORT = "Evt16"
    CLOSED = "Evt17"
    TIMER_EXPIRED = "Evt18"
    INVALID_PDU = "Evt19"


class Action(StrEnum):
    """What is done (PS3.8 section 9.2.3)."""

    ANSWER_REQUEST = "AE-6"
    SEND_ACCEPT = "AE-7"
    SEND_REJECT = "AE-8"
    TAKE_DATA = "DT-2"
    TAKE_RELEASE = "AR-2"
    SEND_RELEASE_RESPONSE = "AR-4"
    STOP_TIMER = "AR-5"
    ABORT_AS_USER = "AA-1"
    CLOSE = "AA-2"
    TAKE_ABORT = "AA-3"
    TAKE_LOSS = "AA-4"
    CLOSE_UNUSED = "AA-5"
    IGNORE = "AA-6"
    ABORT_AGAIN = "AA-7"
    ABORT_AS_PROVIDER = "AA-8"


_NEVER_NOW = (Event.ASSOCIATE_AC, Event.ASSOCIATE_RJ)
_NOT_YET = (*_NEVER_NOW, Event.P_DATA, Event.RELEASE_RQ, Event.RELEASE_RP)

TRANSITIONS: Final[dict[tuple[State, Event], tuple[Action, State]]] = {
    (State.AWAITING_REQUEST, Event.ASSOCIATE_RQ): (
        Action.ANSWER_REQUEST,
        State.AWAITING_OWN_RESPONSE,
    ),
    **{
        (State.AWAITING_REQUEST, event): (Action.ABORT_AS_USER, State.AWAITING_CLOSE)
        for event in _NOT_YET
    },
    (State.AWAITING_REQUEST, Event.INVALID_PDU): (Action.ABORT_AS_USER, State.AWAITING_CLOSE),
    (State.AWAITING_REQUEST, Event.ABORT): (Action.CLOSE, State.IDLE),
    (State.AWAITING_REQUEST, Event.CLOSED): (Action.CLOSE_UNUSED, State.IDLE),
    (State.AWAITING_REQUEST, Event.TIMER_EXPIRED): (Action.CLOSE, State.IDLE),
    (State.AWAITING_OWN_RESPONSE, Event.ACCEPT): (Action.SEND_ACCEPT, State.ESTABLISHED),
    (State.AWAITING_OWN_RESPONSE, Event.REJECT): (Action.SEND_REJECT, State.AWAITING_CLOSE),
    (State.AWAITING_OWN_RESPONSE, Event.INVALID_PDU): (
        Action.ABORT_AS_PROVIDER,
        State.AWAITING_CLOSE,
    ),
    (State.AWAITING_OWN_RESPONSE, Event.CLOSED): (Action.TAKE_LOSS, State.IDLE),
    (State.ESTABLISHED, Event.P_DATA): (Action.TAKE_DATA, State.ESTABLISHED),
    (State.ESTABLISHED, Event.RELEASE_RQ): (Action.TAKE_RELEASE, State.AWAITING_RELEASE_RESPONSE),
    (State.ESTABLISHED, Event.RELEASE_RP): (Action.ABORT_AS_PROVIDER, State.AWAITING_CLOSE),
    (State.ESTABLISHED, Event.ASSOCIATE_RQ): (Action.ABORT_AS_PROVIDER, State.AWAITING_CLOSE),
    **{
        (State.ESTABLISHED, event): (Action.ABORT_AS_PROVIDER, State.AWAITING_CLOSE)
        for event in _NEVER_NOW
    },
    (State.ESTABLISHED, Event.INVALID_PDU): (Action.ABORT_AS_PROVIDER, State.AWAITING_CLOSE),
    (State.ESTABLISHED, Event.ABORT_REQUEST): (Action.ABORT_AS_USER, State.AWAITING_CLOSE),
    (State.ESTABLISHED, Event.ABORT): (Action.TAKE_ABORT, State.IDLE),
    (State.ESTABLISHED, Event.CLOSED): (Action.TAKE_LOSS, State.IDLE),
    (State.AWAITING_RELEASE_RESPONSE, Event.RELEASE_RESPONSE): (
        Action.SEND_RELEASE_RESPONSE,
        State.AWAITING_CLOSE,
    ),
    (State.AWAITING_RELEASE_RESPONSE, Event.CLOSED): (Action.TAKE_LOSS, State.IDLE),
    (State.AWAITING_CLOSE, Event.ASSOCIATE_RQ): (Action.ABORT_AGAIN, State.AWAITING_CLOSE),
    **{(State.AWAITING_CLOSE, event): (Action.IGNORE, State.AWAITING_CLOSE) for event in _NOT_YET},
    (State.AWAITING_CLOSE, Event.INVALID_PDU): (Action.ABORT_AGAIN, State.AWAITING_CLOSE),
    (State.AWAITING_CLOSE, Event.ABORT): (Action.CLOSE, State.IDLE),
    (State.AWAITING_CLOSE, Event.CLOSED): (Action.STOP_TIMER, State.IDLE),
    (State.AWAITING_CLOSE, Event.TIMER_EXPIRED): (Action.CLOSE, State.IDLE),
}
"""Every transition of an acceptor. A peer's silence while `ESTABLISHED` is ended by our own Evt15.
"""
