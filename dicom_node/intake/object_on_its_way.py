"""One object on its way in, however it travels: its pieces go to the archive, and an error waits
for the answer.
"""

from __future__ import annotations

from dicom_node.archive.incoming_file import IncomingFile
from dicom_node.errors import NodeError, OversizedObjectError
from dicom_node.intake.announcement import StoreCommand
from dicom_node.intake.intake import Intake
from dicom_node.wording import counted


class ObjectOnItsWay:
    """Takes an object piece by piece.

    When the disk is full or the object too long, the rest is dropped, and `finish` says why: a peer
    only listens after its dataset has been sent.

    Parameters
    ----------
    intake : Intake
        What keeps it.
    center : str
        The sending centre.
    command : StoreCommand
        How it was announced.
    maximum_bytes : int
        Longest dataset.
    """

    def __init__(
        self, intake: Intake, center: str, command: StoreCommand, maximum_bytes: int
    ) -> None:
        self._intake = intake
        self._center = center
        self._command = command
        self._maximum_bytes = maximum_bytes
        self._error: NodeError | None = None
        self._incoming: IncomingFile | None = None
        try:
            self._incoming = intake.begin(center, command)
        except NodeError as error:
            self._error = error

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece of the dataset."""
        incoming = self._incoming
        if incoming is None:
            return
        try:
            if incoming.length + len(piece) > self._maximum_bytes:
                raise OversizedObjectError(
                    f"An object of more than {counted(self._maximum_bytes, 'byte')} was sent: "
                    "raise maximum_object_bytes if it belongs here."
                )
            incoming.write(piece)
        except NodeError as error:
            self._error = error
            self._intake.refuse(self._center, error, None)
            self.discard()

    def finish(self) -> NodeError | None:
        """Keep the object, and return `None`; or return why it is not kept."""
        if self._error is None and self._incoming is not None:
            try:
                self._intake.finish(self._center, self._command, self._incoming)
            except NodeError as error:
                self._error = error
        return self._error

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None
