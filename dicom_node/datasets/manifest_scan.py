"""The manifest of an RTSTRUCT, read from front to back: of its points, items and references only
what the manifest holds is kept, and of that a stated number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, Generic, TypeVar

import numpy as np
from pydicom.charset import decode_bytes

from dicom_node.datasets import tags
from dicom_node.datasets.contour_points import ContourPoints, moved_by, read_points
from dicom_node.datasets.element_stream import (
    UNDEFINED_LENGTH,
    ElementStream,
    ExcessiveDatasetError,
    Head,
    Item,
    MalformedDatasetError,
)
from dicom_node.datasets.elements import LONGEST_VALUE, Element, Elements, text, text_of
from dicom_node.datasets.identity import DamagedInstanceError, Identity, is_uid
from dicom_node.datasets.manifest import (
    Bounds,
    DrawnContours,
    ListedSeries,
    Manifest,
    Point,
    Roi,
    approval_term,
    around,
)
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE

Value = TypeVar("Value", str, Point)

SEQUENCES: Final = frozenset(
    (
        tags.REFERENCED_FRAME_OF_REFERENCE_SEQUENCE,
        tags.STRUCTURE_SET_ROI_SEQUENCE,
        tags.ROI_CONTOUR_SEQUENCE,
    )
)
"""Where a manifest is read from."""

MOST_ROIS: Final = 5_000
"""ROIs, and ROIs of which contours are given."""
MOST_LISTED: Final = 2_000
"""Series, and frames of reference, that one RTSTRUCT may list."""
MOST_INSTANCES: Final = 20_000
"""Different CT instances that it may name."""
MOST_PLANES: Final = 20_000
"""Different planes on which it may be drawn."""
MOST_NAMINGS: Final = 200_000
"""Instances that it may name, counted again with each ROI and series that does."""
MOST_DRAWINGS: Final = 50_000
"""Planes, counted again with each ROI that is drawn on them."""

_FEWEST_POINTS: Final = 3
_MOST_CLASSES: Final = 10
_LONGEST_NAME: Final = 256
_LONGEST_INTEGER: Final = 64
_CT_OR_UNSAID: Final = frozenset((CT_IMAGE_STORAGE, ""))
_OF_IMAGE: Final = frozenset((tags.REFERENCED_SOP_CLASS_UID, tags.REFERENCED_SOP_INSTANCE_UID))
_OF_ROI: Final = frozenset((tags.ROI_NUMBER, tags.ROI_NAME, tags.REFERENCED_FRAME_OF_REFERENCE_UID))


class _Numbered(Generic[Value]):
    """Values, each kept once; sets of them are whole numbers of which each bit is a value.

    Parameters
    ----------
    most : int
        How many there may be.
    most_taken : int
        How many all sets may have together.
    what : str
        What they are, for the sentence.
    """

    def __init__(self, most: int, most_taken: int, what: str) -> None:
        self._most = most
        self._most_taken = most_taken
        self._what = what
        self._numbers: dict[Value, int] = {}
        self._sets: dict[int, tuple[Value, ...]] = {0: ()}
        self._taken = 0

    def bit(self, value: Value) -> int:
        """Return the set of one value."""
        number = self._numbers.setdefault(value, len(self._numbers))
        if len(self._numbers) > self._most:
            raise _TooManyError(self._most, self._what)
        return 1 << number

    def sorted_values(self, members: int) -> tuple[Value, ...]:
        """Return a set's values; equal sets are the same object."""
        if members not in self._sets:
            octets = np.frombuffer(
                members.to_bytes(members.bit_length() // 8 + 1, "little"), np.uint8
            )
            values = list(self._numbers)
            at = np.flatnonzero(np.unpackbits(octets, bitorder="little"))
            self._sets[members] = tuple(sorted(values[number] for number in at))
        self._taken += len(self._sets[members])
        if self._taken > self._most_taken:
            raise _TooManyError(self._most_taken, f"{self._what} of its ROIs and series")
        return self._sets[members]


class _TooManyError(Exception):
    """More than a manifest holds."""

    def __init__(self, most: int, what: str) -> None:
        super().__init__(
            f"An RTSTRUCT holds more than {most} {what}: expected at most so many; export fewer "
            "structures."
        )


@dataclass
class _Drawn:
    """What is drawn of a ROI so far: as `DrawnContours`, with sets as numbers."""

    contours: int = 0
    malformed: int = 0
    bounds_mm: Bounds | None = None
    planes: int = 0
    images: int = 0

    def join(self, other: _Drawn) -> None:
        """Add what another item draws of it."""
        self.contours += other.contours
        self.malformed += other.malformed
        self.bounds_mm = around(self.bounds_mm, other.bounds_mm)
        self.planes |= other.planes
        self.images |= other.images


@dataclass
class _Named:
    """The set of CT instances that a Contour Image Sequence names, and how many items it has."""

    images: int = 0
    items: int = 0


@dataclass
class _Data:
    """The points of a contour, once they are read."""

    points: ContourPoints | None = None


def read_manifest(
    stream: ElementStream,
    elements: Elements,
    identity: Identity,
    encodings: Sequence[str] = ("iso8859",),
) -> Manifest:
    """Read what an RTSTRUCT lists and where its ROIs lie.

    Parameters
    ----------
    stream : ElementStream
        The whole dataset.
    elements : mapping of int to Element
        Its dates and times, and where its `SEQUENCES` lie.
    identity : Identity
        Who it is, for the verdict.
    encodings : sequence of str
        Python's names of its character sets.

    Raises
    ------
    DamagedInstanceError
        If its sequences are missing or cannot be read, or hold more than a manifest does.
    """
    if tags.STRUCTURE_SET_ROI_SEQUENCE not in elements or tags.ROI_CONTOUR_SEQUENCE not in elements:
        raise DamagedInstanceError(
            "An RTSTRUCT lacks its Structure Set ROI Sequence (3006,0020) or its ROI Contour "
            "Sequence (3006,0039): expected both (PS3.3 sections C.8.8.5 and C.8.8.6); export it "
            "again.",
            identity,
        )
    try:
        return _ManifestScan(stream, encodings).manifest(elements)
    except (_TooManyError, ExcessiveDatasetError) as error:
        raise DamagedInstanceError(str(error), identity) from error
    except (LookupError, ValueError) as error:  # ROI names that are none of their character set too
        raise DamagedInstanceError(
            "The contours or the references of an RTSTRUCT cannot be read: send it again from an "
            "undamaged copy.",
            identity,
        ) from error


class _ManifestScan:
    def __init__(self, stream: ElementStream, encodings: Sequence[str]) -> None:
        self._stream = stream
        self._encodings = encodings
        self._images = _Numbered[str](MOST_INSTANCES, MOST_NAMINGS, "CT instances")
        self._planes = _Numbered[Point](MOST_PLANES, MOST_DRAWINGS, "planes")
        self._other_classes: set[str] = set()

    def manifest(self, elements: Elements) -> Manifest:
        """Return the manifest of a dataset whose sequences lie where `elements` says."""
        drawn = self._all_drawn(elements[tags.ROI_CONTOUR_SEQUENCE].head)
        frames, series = self._listed(elements.get(tags.REFERENCED_FRAME_OF_REFERENCE_SEQUENCE))
        return Manifest(
            rois=self._rois(elements[tags.STRUCTURE_SET_ROI_SEQUENCE].head, drawn),
            series=series,
            frame_of_reference_uids=frames,
            made_at=_made_at(elements),
            other_classes=tuple(sorted(self._other_classes)),
            approval=approval_term(text(elements, tags.APPROVAL_STATUS)),
        )

    def _rois(self, sequence: Head, drawn: Mapping[int, _Drawn]) -> tuple[Roi, ...]:
        rois: list[Roi] = []
        for item in self._stream.items(sequence):
            if len(rois) + item.repeats > MOST_ROIS:
                raise _TooManyError(MOST_ROIS, "ROIs")
            values = self._values(item, _OF_ROI)
            number = _integer(values.get(tags.ROI_NUMBER, b""))
            name = decode_bytes(values.get(tags.ROI_NAME, b""), self._encodings, set())
            of_it = _Drawn() if number is None else drawn.get(number, _Drawn())
            roi = Roi(
                number=number,
                name=name.strip(" \0")[:_LONGEST_NAME],
                frame_of_reference_uid=_uid(
                    values.get(tags.REFERENCED_FRAME_OF_REFERENCE_UID, b"")
                ),
                drawn=DrawnContours(
                    of_it.contours,
                    of_it.malformed,
                    of_it.bounds_mm,
                    self._planes.sorted_values(of_it.planes),
                    self._images.sorted_values(of_it.images),
                ),
            )
            rois += [roi] * item.repeats
        return tuple(rois)

    def _listed(self, sequence: Element | None) -> tuple[tuple[str, ...], tuple[ListedSeries, ...]]:
        """Return the frames of reference that are listed, and the series."""
        frames: list[str] = []
        series: list[ListedSeries] = []
        for item in self._stream.items(sequence.head) if sequence else ():
            of_frame: list[ListedSeries] = []
            values = self._values(
                item,
                {tags.FRAME_OF_REFERENCE_UID},
                {
                    tags.RT_REFERENCED_STUDY_SEQUENCE: partial(
                        self._listed_of_study, of_frame, MOST_LISTED - len(series)
                    )
                },
            )
            frame = _uid(values.get(tags.FRAME_OF_REFERENCE_UID, b""))
            series += (replace(one, frame_of_reference_uid=frame) for one in of_frame)
            if frame:
                frames.append(frame)
            if len(frames) > MOST_LISTED:
                raise _TooManyError(MOST_LISTED, "frames of reference")
        return tuple(frames), tuple(series)

    def _listed_of_study(self, found: list[ListedSeries], most: int, studies: Head) -> None:
        """Append the series of studies to those that are found."""
        for study in self._stream.items(studies):
            self._values(
                study,
                (),
                {tags.RT_REFERENCED_SERIES_SEQUENCE: partial(self._listed_series, found, most)},
            )

    def _listed_series(self, found: list[ListedSeries], most: int, sequence: Head) -> None:
        """Append series to those that are found."""
        for item in self._stream.items(sequence):
            named = _Named()
            values = self._values(
                item,
                {tags.SERIES_INSTANCE_UID},
                {tags.CONTOUR_IMAGE_SEQUENCE: partial(self._name_images, named)},
            )
            # a series whose images are all of another modality is no CT
            if named.images or not named.items:
                if len(found) + item.repeats > most:
                    raise _TooManyError(MOST_LISTED, "series")
                uid = _uid(values.get(tags.SERIES_INSTANCE_UID, b""))
                images = self._images.sorted_values(named.images)
                found += [ListedSeries(uid, None, images)] * item.repeats

    def _all_drawn(self, sequence: Head) -> dict[int, _Drawn]:
        """Return what is drawn by Referenced ROI Number."""
        drawn: dict[int, _Drawn] = {}
        for item in self._stream.items(sequence):
            of_item = _Drawn()
            values = self._values(
                item,
                {tags.REFERENCED_ROI_NUMBER},
                {tags.CONTOUR_SEQUENCE: partial(self._draw, of_item)},
            )
            number = _integer(values.get(tags.REFERENCED_ROI_NUMBER, b""))
            if number is not None:
                drawn.setdefault(number, _Drawn()).join(of_item)
            if len(drawn) > MOST_ROIS:
                raise _TooManyError(MOST_ROIS, "ROIs")
        return drawn

    def _draw(self, drawn: _Drawn, contours: Head) -> None:
        """Add contours to what is drawn of a ROI."""
        for item in self._stream.items(contours):
            drawn.contours += item.repeats
            named, data = _Named(), _Data()
            values = self._values(
                item,
                {tags.CONTOUR_OFFSET_VECTOR},
                {
                    tags.CONTOUR_IMAGE_SEQUENCE: partial(self._name_images, named),
                    tags.CONTOUR_DATA: partial(self._read_data, data),
                },
            )
            drawn.images |= named.images
            points = moved_by(data.points, text_of(values.get(tags.CONTOUR_OFFSET_VECTOR, b"")))
            if points is None:
                drawn.malformed += item.repeats
            elif points.count >= _FEWEST_POINTS:
                drawn.bounds_mm = around(drawn.bounds_mm, points.bounds_mm)
                drawn.planes |= self._planes.bit(points.plane_mm)

    def _read_data(self, data: _Data, head: Head) -> None:
        if head.length != UNDEFINED_LENGTH:
            data.points = read_points(self._stream.window, head.at, head.length)

    def _name_images(self, named: _Named, images: Head) -> None:
        """Add the CT instances of a Contour Image Sequence (3006,0016) to those that are named."""
        for item in self._stream.items(images):
            named.items += item.repeats
            values = self._values(item, _OF_IMAGE)
            uid = _uid(values.get(tags.REFERENCED_SOP_INSTANCE_UID, b""))
            sop_class = text_of(values.get(tags.REFERENCED_SOP_CLASS_UID, b""))
            if uid and sop_class in _CT_OR_UNSAID:
                named.images |= self._images.bit(uid)
            elif is_uid(sop_class) and len(self._other_classes) < _MOST_CLASSES:
                self._other_classes.add(sop_class)

    def _values(
        self,
        item: Item,
        wanted: Collection[int],
        readers: Mapping[int, Callable[[Head], None]] = MappingProxyType({}),
    ) -> dict[int, bytes]:
        """Return the wanted values of an item; other elements of it are read by their readers."""
        values: dict[int, bytes] = {}
        read: set[int] = set()
        for head in self._stream.elements(item):
            if head.tag in readers:
                if head.tag in read:
                    raise MalformedDatasetError("An item holds an element twice.")
                read.add(head.tag)
                readers[head.tag](head)
            elif head.tag in wanted and head.length != UNDEFINED_LENGTH:
                values[head.tag] = self._stream.window.at(head.at, min(head.length, LONGEST_VALUE))
        return values


def _made_at(elements: Elements) -> tuple[str, str, str, str]:
    day, time, created_day, created_time = (
        text(elements, tag) for tag in tags.STRUCTURE_SET + tags.INSTANCE_CREATION
    )
    return (day, time, created_day, created_time)


def _uid(value: bytes) -> str | None:
    """Return a UID, or `None` for what is none, which names nothing."""
    found = text_of(value)
    return found if is_uid(found) else None


def _integer(value: bytes) -> int | None:
    try:
        return int(text_of(value)) if len(value) <= _LONGEST_INTEGER else None
    except ValueError:
        return None
