"""Storage commitment: what a peer may ask us to answer for, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom import Dataset

from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)
from dicom_node.network.commitment_messages import encode_dataset
from dicom_node.scp.listener import Listener
from tests.support import wire
from tests.support.intake_bench import Bench, center, ct_slice
from tests.support.wire import Wire, command, context, data, us, value

UID = str(ct_slice(0).SOPInstanceUID)
Start = Callable[..., Listener]


def _commitment(*references: tuple[str, str], transaction: str = "1.2.3.77") -> bytes:
    asked = Dataset()
    asked.TransactionUID = transaction
    asked.ReferencedSOPSequence = []
    for sop_class, uid in references:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = sop_class, uid
        asked.ReferencedSOPSequence.append(one)
    action = command(
        {
            0x0003: STORAGE_COMMITMENT.encode(),
            0x0100: us(0x130),
            0x0110: us(5),
            0x0800: us(0),
            0x1001: STORAGE_COMMITMENT_INSTANCE.encode(),
            0x1008: us(1),
        }
    )
    content = encode_dataset(asked, IMPLICIT_VR_LITTLE_ENDIAN)
    return data(value(1, action, is_command=True), value(1, content, is_command=False))


def _committing(listener: Listener) -> Wire:
    peer = Wire.to(listener.port)
    contexts = (context(1, STORAGE_COMMITMENT, IMPLICIT_VR_LITTLE_ENDIAN),)
    assert peer.ask(wire.associate(contexts=contexts))[0] == wire.ACCEPT
    return peer


def test_a_caller_that_cannot_be_called_back_is_told_on_its_own_association(
    start: Start, bench: Bench
) -> None:
    bench.push(ct_slice(0))
    with _committing(start()) as peer:
        known, unknown = (CT_IMAGE_STORAGE, UID), (CT_IMAGE_STORAGE, "1.2.3.4")
        other_class = ("1.2.840.10008.5.1.4.1.1.481.3", UID)
        assert peer.status(_commitment(known, unknown, other_class)) == 0x0000
        _, report = peer.receive()
        assert us(2) in report[-14:]  # event type 2: failures exist
        _, event = peer.receive()
        assert event.count(UID.encode()) == 2
        assert b"\x97\x11\x02\0\0\0\x12\x01" in event  # Failure Reason 0x0112
        assert b"\x97\x11\x02\0\0\0\x19\x01" in event  # Failure Reason 0x0119
        peer.send(
            data(
                value(
                    1,
                    command({0x0100: us(0x8100), 0x0120: us(1), 0x0800: us(0x0101), 0x0900: us(0)}),
                    is_command=True,
                )
            )
        )
        assert peer.ask(wire.RELEASE)[0] == wire.RELEASED


def test_a_caller_that_can_be_called_back_is_kept_in_the_registry(
    start: Start, bench: Bench
) -> None:
    reachable = center(return_to=ReturnDestination("ALPHA", "192.0.2.1", 104))
    with _committing(start(reachable)) as peer:
        assert peer.status(_commitment((CT_IMAGE_STORAGE, UID))) == 0x0000
        assert peer.status(_commitment((CT_IMAGE_STORAGE, UID))) == 0x0000
    (due,) = bench.registry.commitments.due()
    assert (due.center, due.ae_title, due.request.transaction_uid) == ("alpha", "ALPHA", "1.2.3.77")


@pytest.mark.parametrize(
    ("references", "transaction"),
    [([], "1.2.3"), ([("x", "y")], "1.2.3"), ([(CT_IMAGE_STORAGE, UID)], "no uid")],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_commitment_that_cannot_be_meant_is_refused(
    start: Start, references: list[tuple[str, str]], transaction: str
) -> None:
    with _committing(start()) as peer:
        assert peer.status(_commitment(*references, transaction=transaction)) == 0x0115


def test_what_was_damaged_on_the_disk_is_not_committed(start: Start, bench: Bench) -> None:
    bench.push(ct_slice(0))
    (file,) = bench.archive.files()
    file.path.write_bytes(file.path.read_bytes()[:-1] + b"\xff")
    with _committing(start()) as peer:
        assert peer.status(_commitment((CT_IMAGE_STORAGE, UID))) == 0x0000
        assert us(2) in peer.receive()[1][-14:]


def test_a_report_of_failures_that_names_none_is_refused(start: Start) -> None:
    elements = {
        0x0002: STORAGE_COMMITMENT.encode(),
        0x0100: us(0x100),
        0x0110: us(5),
        0x0800: us(0),
        0x1000: STORAGE_COMMITMENT_INSTANCE.encode(),
    }
    told = Dataset()
    told.TransactionUID = "1.2.3.77"
    content = value(1, encode_dataset(told, IMPLICIT_VR_LITTLE_ENDIAN), is_command=False)
    with _committing(start()) as peer:
        for kind, status in ((1, 0x0000), (2, 0x0115), (3, 0x0113)):
            report = value(1, command({**elements, 0x1002: us(kind)}), is_command=True)
            assert peer.status(data(report, content)) == status
