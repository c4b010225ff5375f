"""The demonstration's PACS sends again what was not taken, and says how much was refused in the
end.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage
from pynetdicom import AE, evt

from deploy.demo import push
from tests.support.synthetic_studies import write_study

UNABLE = 0xA700


class Receiver:
    """A real SCP that cuts the connection at the third object, once, or refuses everything."""

    def __init__(self, *, refuses: bool) -> None:
        self.received: list[str] = []
        self.refuses = refuses
        self.cut = False
        ae = AE(ae_title="NODE")
        for storage in (CTImageStorage, RTStructureSetStorage):
            ae.add_supported_context(storage, ExplicitVRLittleEndian)
        server: Any = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.server, self.port = server, server.socket.getsockname()[1]

    def _store(self, event: Any) -> int:
        if self.refuses:
            return UNABLE
        if len(self.received) == 3 and not self.cut:
            self.cut = True
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        else:
            self.received.append(str(event.request.AffectedSOPInstanceUID))
        return 0


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(push, "PAUSE_S", 0.01)
    monkeypatch.setattr(push, "ANSWER_S", 1.0)
    return write_study(tmp_path / "study", "PUSHED")


def test_what_was_not_taken_is_sent_again(study: list[Path]) -> None:
    receiver = Receiver(refuses=False)
    try:
        assert push.push([study[0].parent], receiver.port, "PACS", "NODE") == 0
    finally:
        receiver.server.shutdown()
    assert receiver.cut
    assert len(set(receiver.received)) == len(study)


def test_an_association_that_ends_before_an_object_is_sent_takes_nothing(
    study: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []

    def ends_once(association: Any) -> None:
        send = association.send_c_store

        def sent(path: Path) -> Any:
            if not ended:
                ended.append(association)
                association.abort()
            return send(path)

        association.send_c_store = sent

    monkeypatch.setattr(push, "keep_answers", ends_once)
    receiver = Receiver(refuses=False)
    receiver.cut = True
    try:
        assert push.push([study[0].parent], receiver.port, "PACS", "NODE") == 0
    finally:
        receiver.server.shutdown()
    assert ended
    assert len(set(receiver.received)) == len(study)


@pytest.mark.slow
def test_what_is_refused_is_counted(study: list[Path]) -> None:
    receiver = Receiver(refuses=True)
    try:
        assert push.push([study[0].parent], receiver.port, "PACS", "NODE") == len(study)
    finally:
        receiver.server.shutdown()
