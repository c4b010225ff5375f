"""C-FIND and C-MOVE of a centre's PACS by the Study Root model (PS3.4 annex C), on one association
that nothing can hold for ever.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from pydicom.dataset import Dataset
from pynetdicom import _config

from dicom_node.center import QuerySource
from dicom_node.datasets.sop_classes import STUDY_ROOT_FIND, STUDY_ROOT_MOVE
from dicom_node.datasets.text_as_sent import text_as_sent
from dicom_node.errors import NodeError, RetrievalError, UnreachableError, where_raised
from dicom_node.scu.caller import Caller

# Its log would hold what is asked for, whatever its level.
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False

_PENDING: Final = (0xFF00, 0xFF01)
_SUCCESS: Final = 0x0000
_SOME_FAILED: Final = 0xB000
_DESTINATION_UNKNOWN: Final = 0xA801
_UIDS_AT_A_TIME: Final = 100
_MESSAGE_ID: Final = 1
_LOOK_S: Final = 0.1
_UTF_8: Final = "ISO_IR 192"
_ENDS_S: Final = 5.0
_EXPECTED: Final = "it offers Study Root FIND and MOVE to our AE title"
_LEVEL_KEY: Final = {
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}


@dataclass(frozen=True)
class Limits:
    """How long a PACS is listened to.

    Parameters
    ----------
    find_s : float
        Seconds that a query may take in all.
    stalled_s : float
        Seconds that a retrieval may go on without another instance.
    move_s : float
        Seconds that a retrieval may take in all.
    matches : int
        Matches of one query; with more it is ended.
    arrival_s : float
        Seconds after a retrieval in which what it brought must be in the index.
    """

    find_s: float = 120.0
    stalled_s: float = 300.0
    move_s: float = 7200.0
    matches: int = 5000
    arrival_s: float = 30.0


@dataclass(frozen=True)
class Moved:
    """What a PACS says that it sent.

    Parameters
    ----------
    sent, failed : int
        Instances, those sent with a warning among the former.
    """

    sent: int
    failed: int


class QueryRetrieve:
    """One association with a centre's PACS, open as long as the context.

    Parameters
    ----------
    caller : Caller
        Our own AE, to which instances are moved.
    source : QuerySource
        The PACS.
    limits : Limits
        How long it is listened to.
    stopping : threading.Event
        Ends whatever is under way.

    Raises
    ------
    UnreachableError
        If there is no association; from `find` and `move`, if there is none any more, or the node
        stops.
    """

    def __init__(
        self, caller: Caller, source: QuerySource, limits: Limits, stopping: threading.Event
    ) -> None:
        self._move_to = caller.ae_title
        self._limits = limits
        self._stopping = stopping
        self.name = source.called.ae_title
        self._association: Any = caller.associate(
            source.called, (STUDY_ROOT_FIND, STUDY_ROOT_MOVE), expected=_EXPECTED
        )
        # Kept here, because the library drops one whose peer is gone without closing it.
        self._socket: socket.socket = self._association.dul.socket.socket
        self._deadline: float | None = None
        self._closed = threading.Event()
        # Its own waiting ends between two messages only, and a peer may never begin the next.
        self._association.dimse_timeout = None
        self._association.network_timeout = None
        threading.Thread(target=self._watch, name="query-retrieve-watch", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._association.is_established:
            self._association.release()
        self._association.join(_ENDS_S)
        self._socket.close()

    def find(
        self, level: str, keys: Mapping[str, str], wanted: Sequence[str] = ()
    ) -> list[Dataset]:
        """Return the matches of a query (PS3.4 section C.4.1).

        Parameters
        ----------
        level : str
            ``STUDY``, ``SERIES`` or ``IMAGE``.
        keys : mapping of str to str
            What they must have, by keyword.
        wanted : sequence of str
            Keywords of what else is asked of each.

        Returns
        -------
        list of Dataset
            Each once, by the UID of its level; those without one are left out.

        Raises
        ------
        RetrievalError
            If the PACS answers with an error, with too much, with what was not asked for, or does
            not come to an end.
        """
        own = _LEVEL_KEY[level]
        query = _identifier(level, {own: "", **dict.fromkeys(wanted, ""), **keys})
        found: dict[str, Dataset] = {}
        count = 0
        with self._within(self._limits.find_s, "queries"):
            for status, answer in self._association.send_c_find(
                query, STUDY_ROOT_FIND, msg_id=_MESSAGE_ID
            ):
                code = self._code(status, "a query")
                if code == _SUCCESS:
                    break
                if code not in _PENDING:
                    raise RetrievalError(
                        f"{self.name} answered a query with status 0x{code:04X}: ask its "
                        "administrator what that means there."
                    )
                count += 1
                if count > self._limits.matches:
                    self._give_up(STUDY_ROOT_FIND)
                    raise RetrievalError(
                        f"{self.name} answered a query with more than {self._limits.matches} "
                        "matches, as if nothing particular had been asked for: ask its "
                        "administrator whether it searches by the UIDs and IDs that it is given."
                    )
                if answer is None:
                    continue
                self._check(answer, keys)
                if uid := text_of(answer, own):
                    found[uid] = answer
        return list(found.values())

    def move(self, level: str, keys: Mapping[str, str], uids: Sequence[str] = ()) -> Moved:
        """Have instances sent to our own AE (PS3.4 section C.4.2).

        Parameters
        ----------
        level : str
            ``STUDY``, ``SERIES`` or ``IMAGE``.
        keys : mapping of str to str
            The unique keys of the levels above, and of this one.
        uids : sequence of str
            With ``IMAGE``: which instances.

        Raises
        ------
        RetrievalError
            If the PACS answers with an error, or does not come to an end.
        """
        if level != "IMAGE":
            return self._move(_identifier(level, keys))
        sent = failed = 0
        for start in range(0, len(uids), _UIDS_AT_A_TIME):
            identifier = _identifier(level, keys)
            identifier.SOPInstanceUID = list(uids[start : start + _UIDS_AT_A_TIME])
            moved = self._move(identifier)
            sent, failed = sent + moved.sent, failed + moved.failed
        return Moved(sent, failed)

    def _move(self, identifier: Dataset) -> Moved:
        done, last = Moved(0, 0), time.monotonic() + self._limits.move_s
        with self._within(self._limits.stalled_s, "retrievals"):
            for status, _ in self._association.send_c_move(
                identifier, self._move_to, STUDY_ROOT_MOVE, msg_id=_MESSAGE_ID
            ):
                code = self._code(status, "a retrieval")
                so_far = _counted(status)
                if so_far != done:
                    done = so_far
                    self._deadline = min(time.monotonic() + self._limits.stalled_s, last)
                if code in _PENDING:
                    continue
                if code not in (_SUCCESS, _SOME_FAILED):
                    raise RetrievalError(self._refusal(code))
                break
        return done

    def _refusal(self, code: int) -> str:
        if code == _DESTINATION_UNKNOWN:
            return (
                f"{self.name} does not know {self._move_to} as a place to send to (status "
                "0xA801): have its administrator add our AE title with host and port."
            )
        return (
            f"{self.name} answered a retrieval with status 0x{code:04X}: ask its administrator "
            "what that means there, and whether it reaches our AE."
        )

    def _check(self, answer: Dataset, keys: Mapping[str, str]) -> None:
        """Refuse a match that has other unique keys than were asked for.

        Raises
        ------
        RetrievalError
            If it has.
        """
        for keyword, value in keys.items():
            found = text_of(answer, keyword)
            if found is not None and found != value and keyword != "Modality":
                self._give_up(STUDY_ROOT_FIND)
                raise RetrievalError(
                    f"{self.name} answered a query with another {keyword} than was asked for: its "
                    "answers cannot be used; tell its administrator."
                )

    def _code(self, status: Dataset, what: str) -> int:
        code = status.get("Status")
        if code is None:
            raise UnreachableError(f"{self.name} closed the association during {what}.")
        return int(code)

    def _give_up(self, model: str) -> None:
        with suppress(ValueError, RuntimeError, AttributeError):
            self._association.send_c_cancel(_MESSAGE_ID, query_model=model)
        self._association.abort()

    @contextmanager
    def _within(self, seconds: float, what: str) -> Iterator[None]:
        """Let the watch end the association after so many seconds, and say why it ended."""
        self._deadline = time.monotonic() + seconds
        try:
            yield
        except UnreachableError as error:
            if self._stopping.is_set():
                raise UnreachableError(
                    "This node stopped while it asked; it will ask again."
                ) from error
            if time.monotonic() >= (self._deadline or 0.0):
                raise RetrievalError(
                    f"{self.name} did not come to an end with one of our {what} in time: ask its "
                    "administrator."
                ) from error
            raise
        except NodeError:
            raise
        except (ValueError, RuntimeError, AttributeError) as error:
            raise UnreachableError(
                f"{self.name} cannot be asked ({type(error).__name__}): it accepted no "
                f"presentation context for {what}, or closed the association."
            ) from error
        finally:
            self._deadline = None

    def _watch(self) -> None:
        """End the connection when its time is over, it is gone or the node stops, and wake whoever
        waits for an answer: the library loses the news of an end that comes between two requests.
        """
        while not self._closed.wait(_LOOK_S):
            deadline = self._deadline
            late = deadline is not None and time.monotonic() >= deadline
            gone = not self._association.is_established
            if late or gone or self._stopping.is_set():
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                if deadline is not None:
                    self._association.dimse.msg_queue.put((None, None))


@contextmanager
def as_retrieval_error() -> Iterator[None]:
    """Let an error that nobody foresaw be one of the study or the line that it met, without its
    words, which may hold values.

    Raises
    ------
    RetrievalError
        In place of it.
    """
    try:
        yield
    except NodeError:
        raise
    except Exception as error:
        raise RetrievalError(
            f"What came from the PACS could not be worked on ({where_raised(error)}): tell who "
            "maintains Annulus."
        ) from error


def text_of(answer: Dataset, keyword: str) -> str | None:
    """Return a value of a match without blanks around it; `None` where it is empty or absent."""
    return text_as_sent(answer, keyword).strip() or None


def _identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    identifier = Dataset()
    if not all(value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = _UTF_8
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def _counted(status: Dataset) -> Moved:
    def number(keyword: str) -> int:
        return int(status.get(keyword) or 0)

    sent = number("NumberOfCompletedSuboperations") + number("NumberOfWarningSuboperations")
    return Moved(sent, number("NumberOfFailedSuboperations"))
