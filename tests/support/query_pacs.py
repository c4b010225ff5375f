"""A PACS in this process that answers C-FIND and C-MOVE, well or in a way that is known from the
field to hurt.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from deploy.local.processes import free_port
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    RT_STRUCTURE_SET_STORAGE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_MOVE,
)

_KEYS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber")
_LEVEL_KEY = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass
class QueryPacs:
    """A PACS that has what it was given and sends it to our AE.

    Parameters
    ----------
    held : list of Dataset
        What it has.
    node_port : int
        Where our AE listens.
    ae_title : str
        Its own.
    port : int
        Where it listens.

    Attributes
    ----------
    find_status, move_status : int or None
        Answered to every query or retrieval instead.
    flood : bool
        Whether queries have no end of matches.
    stall : bool
        Whether retrievals say nothing but that they go on.
    silent : bool
        Whether queries are not answered at all.
    sends_instead : list of Dataset
        Sent in place of what is asked for.
    renames : dict of str to str
        Values of keys that are answered otherwise than they were asked.
    withholds : set of str
        Keys that are not answered at all.
    knows_us : bool
        Whether it knows where to send to.
    queries : list of Dataset
        What it was asked.
    moved : list of str
        SOP Instance UIDs that it sent.
    """

    held: list[Dataset]
    node_port: int
    ae_title: str = "PACS"
    port: int = field(default_factory=free_port)
    find_status: int | None = None
    move_status: int | None = None
    flood: bool = False
    stall: bool = False
    silent: bool = False
    knows_us: bool = True
    sends_instead: list[Dataset] = field(default_factory=list)
    renames: dict[str, str] = field(default_factory=dict)
    withholds: set[str] = field(default_factory=set)
    queries: list[Dataset] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._entity = AE(self.ae_title)
        for context in (STUDY_ROOT_FIND, STUDY_ROOT_MOVE):
            self._entity.add_supported_context(context, EXPLICIT_VR_LITTLE_ENDIAN)
        for context in (CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE):
            self._entity.add_requested_context(context, EXPLICIT_VR_LITTLE_ENDIAN)
        handlers: list[Any] = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_MOVE, self._move)]
        self._server = self._entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._entity.shutdown()

    def _matches(self, query: Dataset) -> list[Dataset]:
        """Return one instance for each match."""
        found: dict[str, Dataset] = {}
        for one in self.held:
            if all(_fits(query, one, key) for key in (*_KEYS, "Modality")):
                found.setdefault(str(one.get(_LEVEL_KEY[query.QueryRetrieveLevel])), one)
        return list(found.values())

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        self.queries.append(query)
        if self.silent:
            self._ended.wait(30)
        if self.find_status is not None:
            yield self.find_status, None
            return
        while self.flood and not self._ended.is_set():
            yield 0xFF00, _answer(query, self.held[0], {})
        for one in self._matches(query):
            answer = _answer(query, one, self.renames)
            for keyword in self.withholds & {element.keyword for element in answer}:
                delattr(answer, keyword)
            yield 0xFF00, answer

    def _move(self, event: Any) -> Iterator[Any]:
        wanted = event.identifier
        if not self.knows_us:
            yield None, None
            return
        yield "127.0.0.1", self.node_port
        chosen = self.sends_instead or [
            one for one in self.held if all(_fits(wanted, one, key) for key in _KEYS)
        ]
        if self.move_status is not None:
            yield 1
            yield self.move_status, None
            return
        yield len(chosen)
        if self.stall:
            self._ended.wait(30)
        for one in chosen:
            self.moved.append(str(one.SOPInstanceUID))
            yield 0xFF00, one


def _values(value: Any) -> Sequence[str]:
    if value is None or value == "":
        return ()
    return [str(value)] if isinstance(value, str) else [str(one) for one in value]


def _fits(query: Dataset, one: Dataset, key: str) -> bool:
    wanted = _values(query.get(key))
    return not wanted or str(one.get(key, "")) in wanted


def _answer(query: Dataset, one: Dataset, renames: dict[str, str]) -> Dataset:
    answer = Dataset()
    for element in query:
        if element.keyword == "QueryRetrieveLevel":
            answer.QueryRetrieveLevel = element.value
        elif element.keyword == "SpecificCharacterSet":
            answer.SpecificCharacterSet = element.value
        elif element.keyword in one or element.keyword in renames:
            setattr(answer, element.keyword, renames.get(element.keyword, one.get(element.keyword)))
    return answer
