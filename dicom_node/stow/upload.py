"""One STOW-RS request on its way in: each part is a DICOM file that goes to the archive piece by
piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dicom_node.archive.part10 import FileMeta, parse_meta
from dicom_node.center import STORAGE_CLASS_OF, Center
from dicom_node.datasets.sop_classes import TRANSFER_SYNTAXES
from dicom_node.errors import (
    NodeError,
    UnreadableDatasetError,
    UnsupportedClassError,
    UnsupportedSyntaxError,
)
from dicom_node.intake.announcement import StoreCommand
from dicom_node.intake.intake import Intake
from dicom_node.intake.object_on_its_way import ObjectOnItsWay
from dicom_node.intake.refusals import failure_of
from dicom_node.stow.multipart import MultipartError, MultipartReader
from dicom_node.stow.store_response import Outcome

MOST_PARTS: Final = 10_000
_DICOM: Final = "application/dicom"


class Upload:
    """Takes the body of a request in pieces, and says what became of each of its parts.

    Parameters
    ----------
    intake : Intake
        What keeps the instances.
    center : Center
        Who sends.
    study_instance_uid : str or None
        The study of the request's address, when it names one.
    boundary : bytes
        The boundary of the body.
    maximum_bytes : int
        Longest dataset of a part.
    """

    def __init__(
        self,
        intake: Intake,
        center: Center,
        study_instance_uid: str | None,
        boundary: bytes,
        maximum_bytes: int,
    ) -> None:
        self._intake = intake
        self._center = center
        self._study = study_instance_uid
        self._maximum_bytes = maximum_bytes
        self._reader = MultipartReader(boundary, self._open)
        self._part: _Part | None = None
        self.outcomes: list[Outcome] = []

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body; blocks while the disk does.

        Raises
        ------
        MultipartError
            If it is no multipart body.
        """
        self._reader.feed(data)

    def end(self) -> list[Outcome]:
        """Return what became of the parts, when everything that was kept is on the disk and
        indexed.

        Raises
        ------
        MultipartError
            If the body was cut off, or has no part.
        """
        self._reader.end()
        if not self.outcomes:
            raise MultipartError("The body has no part: expected at least one DICOM file.")
        self._intake.flush()
        return self.outcomes

    def discard(self) -> None:
        """Remove what was not finished; called in the end, whatever happened."""
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _open(self, headers: Mapping[str, str]) -> _Part:
        if len(self.outcomes) >= MOST_PARTS:
            raise MultipartError(
                f"A request has more than {MOST_PARTS} parts: send them in several requests."
            )
        kind = headers.get("content-type", _DICOM).partition(";")[0].strip().lower()
        self._part = _Part(self, kind)
        return self._part

    def receive(self, meta: FileMeta) -> ObjectOnItsWay:
        """Begin to keep an instance.

        Raises
        ------
        UnsupportedClassError, UnsupportedSyntaxError
            If its centre may not store it, or it is encoded in a way that is not kept.
        """
        if meta.sop_class_uid not in {STORAGE_CLASS_OF[kind] for kind in self._center.accepts}:
            raise UnsupportedClassError(
                f"Centre {self._center.name} sent an object of a SOP Class that it may not store: "
                f"send {' and '.join(self._center.accepts)} only, or add the kind to its accepts."
            )
        if meta.transfer_syntax not in TRANSFER_SYNTAXES:
            raise UnsupportedSyntaxError(
                "An object came in a transfer syntax that is not kept: send it uncompressed, as "
                "Explicit or Implicit VR Little Endian."
            )
        command = StoreCommand(
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=meta.sop_instance_uid,
            context_class_uid=meta.sop_class_uid,
            transfer_syntax=meta.transfer_syntax,
            study_instance_uid=self._study,
        )
        return ObjectOnItsWay(self._intake, self._center.name, command, self._maximum_bytes)

    def refuse(self, error: NodeError) -> None:
        """Record that a part was refused before anything of it was kept."""
        self._intake.refuse(self._center.name, error, None)


class _Part:
    """One part: its file meta information first, then its dataset."""

    def __init__(self, upload: Upload, kind: str) -> None:
        self._upload = upload
        self._head = bytearray()
        self._meta: FileMeta | None = None
        self._object: ObjectOnItsWay | None = None
        self._error: NodeError | None = None
        if kind != _DICOM:
            self._refuse(
                UnreadableDatasetError(
                    f"A part of a STOW-RS request is no {_DICOM}: send DICOM files."
                )
            )

    def write(self, piece: bytes) -> None:
        """Take a piece of the file."""
        if self._object is not None:
            self._object.write(piece)
        elif self._error is None:
            self._head += piece
            self._begin()

    def finish(self) -> None:
        """Keep the instance, and add to the outcomes what became of it."""
        error = self._error
        if self._object is not None:
            error = self._object.finish()
        elif error is None:
            error = UnreadableDatasetError(
                "A part of a STOW-RS request ends within its file meta information."
            )
            self._refuse(error)
        self.discard()
        meta = self._meta
        self._upload.outcomes.append(
            Outcome(
                meta.sop_class_uid if meta else "", meta.sop_instance_uid if meta else "", error
            )
        )

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._object is not None:
            self._object.discard()

    def _begin(self) -> None:
        try:
            parsed = parse_meta(self._head)
            if parsed is None:
                return
            self._meta, start = parsed
            self._object = self._upload.receive(self._meta)
        except NodeError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - one part must not end the request
            self._refuse(failure_of(error))
        else:
            self._object.write(bytes(self._head[start:]))
        self._head.clear()

    def _refuse(self, error: NodeError) -> None:
        self._error = error
        self._upload.refuse(error)
