"""Conversations byte by byte: what a peer may do, what it may not, and how each ends."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dicom_node.center import ObjectKind
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    VERIFICATION,
)
from dicom_node.network.tls import server_context
from dicom_node.scp.listener import Listener
from dicom_node.settings import TlsTable
from tests.support import wire
from tests.support.certificates import Certificates
from tests.support.intake_bench import Bench, center, ct_slice, encode, request
from tests.support.waiting import wait_until
from tests.support.wire import Wire, command, context, data, us, value

DATASET = request(ct_slice(0)).dataset
UID = str(ct_slice(0).SOPInstanceUID)

Start = Callable[..., Listener]


def test_a_conversation_from_request_to_release(start: Start, bench: Bench) -> None:
    with Wire.to(start().port).open() as peer:
        assert peer.status(data(value(1, wire.echo_request(), is_command=True))) == 0x0000
        assert peer.status(wire.store(UID, DATASET)) == 0x0000
        kind, body = peer.ask(wire.RELEASE)
        assert (kind, body) == (wire.RELEASED, bytes(4))
        assert [one.instances for one in bench.registry.studies.summaries()] == [
            1
        ]  # a release waits for the index


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"calling": "NOBODY"}, (1, 1, 3)),
        ({"called": "OTHER"}, (1, 1, 7)),
        ({"application": "1.2.840.10008.3.1.1.2"}, (1, 1, 2)),
        ({"version": 2}, (1, 2, 2)),
        ({"calling": "BETA"}, (1, 1, 3)),  # from an address that is none of its centre's
        ({"calling": ""}, (1, 1, 3)),
        ({"calling": "\r\n\x1b[2J"}, (1, 1, 3)),
    ],
)
def test_who_may_not_come_in_is_told_why(
    start: Start, bench: Bench, change: dict[str, Any], answer: tuple[int, int, int]
) -> None:
    listener = start(center("alpha"), replace(center("beta"), addresses=("192.0.2.0/24",)))
    with Wire.to(listener.port) as peer:
        kind, body = peer.ask(wire.associate(**change))
        assert (kind, tuple(body[1:])) == (wire.REJECT, answer)
    (incident,) = bench.registry.incidents.latest()
    assert all(character.isprintable() for character in incident.sentence)


def test_an_address_of_the_centre_is_let_in(start: Start) -> None:
    Wire.to(
        start(replace(center("alpha"), addresses=("127.0.0.0/8",))).port
    ).open().connection.close()


def _results(body: bytes) -> dict[int, int]:
    """Return the result of every context of an A-ASSOCIATE-AC, and its order of items as the
    standard has it.
    """
    at, found = 68, {}
    while at < len(body):
        kind, length = body[at], int.from_bytes(body[at + 2 : at + 4], "big")
        if kind == 0x21:
            found[body[at + 4]] = body[at + 6]
        at += 4 + length
    return found


def test_contexts_are_negotiated_one_by_one(start: Start) -> None:
    deflated, jpeg, big_endian = (
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.2",
    )
    contexts = (
        context(1, VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN),
        context(3, CT_IMAGE_STORAGE, jpeg, deflated, big_endian),
        context(5, CT_IMAGE_STORAGE, jpeg, IMPLICIT_VR_LITTLE_ENDIAN),
        context(7, "1.2.840.10008.5.1.4.1.1.4", EXPLICIT_VR_LITTLE_ENDIAN),
        context(9, STORAGE_COMMITMENT, EXPLICIT_VR_LITTLE_ENDIAN),
        context(11, CT_IMAGE_STORAGE),
    )
    role = wire.item(
        0x54, len(STORAGE_COMMITMENT).to_bytes(2, "big") + STORAGE_COMMITMENT.encode() + b"\0\1"
    )
    with Wire.to(start().port) as peer:
        kind, body = peer.ask(wire.associate(contexts=contexts, more=role))
    assert kind == wire.ACCEPT
    assert _results(body) == {1: 0, 3: 4, 5: 0, 7: 3, 9: 0, 11: 4}
    assert role in body


def test_a_centre_stores_what_it_may(start: Start) -> None:
    listener = start(replace(center("alpha"), accepts=(ObjectKind.RTSTRUCT,)))
    with Wire.to(listener.port) as peer:
        _, body = peer.ask(wire.associate())
    assert _results(body) == {1: 0, 3: 3}


def _fragments(context_id: int = 1) -> tuple[bytes, bytes]:
    content = wire.echo_request()
    return (
        value(context_id, content[:20], is_command=True, is_last=False),
        value(context_id, content[20:], is_command=True),
    )


def test_fragments_may_come_in_any_packing(start: Start) -> None:
    first, second = _fragments()
    with Wire.to(start().port).open() as peer:
        assert peer.status(data(first) + data(second)) == 0x0000
        assert peer.status(data(first, second)) == 0x0000
        for byte in data(first, second)[:-1]:
            peer.send(bytes((byte,)))
        assert peer.status(data(first, second)[-1:]) == 0x0000
        empty = value(3, b"", is_command=False, is_last=False)
        store = wire.data(value(3, wire.store_request(UID), is_command=True), empty)
        assert peer.status(store + data(value(3, DATASET, is_command=False))) == 0x0000


WRONG = {
    "a context that was not accepted": data(value(9, wire.echo_request(), is_command=True)),
    "a dataset that no command announced": data(value(3, DATASET, is_command=False)),
    "a dataset in another context": data(
        value(3, wire.store_request(UID), is_command=True), value(1, DATASET, is_command=False)
    ),
    "a command before the dataset is complete": data(
        value(3, wire.store_request(UID), is_command=True)
    )
    + data(value(1, wire.echo_request(), is_command=True)),
    "two commands at once": data(_fragments()[0], value(3, wire.echo_request(), is_command=True)),
    "no command set": data(value(1, b"\1\0\0\0\1\0\0\0\0", is_command=True)),
    "a command set that is cut off": data(value(1, wire.echo_request()[:-3], is_command=True)),
    "a command set without a field": data(value(1, command({0x0110: us(1)}), is_command=True)),
    "an endless command set": data(value(1, bytes(70000), is_command=True, is_last=False)),
    "a value that is longer than its PDU": wire.pdu(4, (99).to_bytes(4, "big") + b"\1\3"),
    "a value of one byte": wire.pdu(4, (1).to_bytes(4, "big") + b"\1"),
    "a PDU without room for a value": wire.pdu(4, b"\0\0\0"),
    "an unknown PDU": wire.pdu(9, b""),
    "a PDU beyond the announced length": b"\4\0" + (131073).to_bytes(4, "big"),
    "a second request": wire.associate(),
    "an answer to nothing": wire.pdu(6, bytes(4)),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_breaks_the_protocol_is_aborted_and_the_next_one_is_served(
    start: Start, bench: Bench, what: str
) -> None:
    listener = start()
    with Wire.to(listener.port).open() as peer:
        assert peer.ask(WRONG[what])[0] == wire.ABORT
        assert peer.receive()[0] == wire.CLOSED
    with Wire.to(listener.port).open() as peer:
        assert peer.status(data(value(1, wire.echo_request(), is_command=True))) == 0x0000
    assert not list((bench.archive.instances / ".tmp").iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
        wire.pdu(4, b"\0"),
        wire.RELEASE,
        wire.pdu(1, bytes(10)),
        wire.pdu(1, bytes(68) + b"\x10\0\xff\xff"),
        b"\1\0\xff\xff\xff\xff",
        wire.associate(contexts=[context(2, VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN)]),
        wire.associate(contexts=[wire.CONTEXTS[0], wire.CONTEXTS[0]]),
        wire.associate(maximum=7),
    ],
)
def test_what_is_no_request_is_aborted(start: Start, content: bytes) -> None:
    with Wire.to(start().port) as peer:
        assert peer.ask(content)[0] == wire.ABORT


@pytest.mark.parametrize(
    ("context_id", "content", "status"),
    [
        (
            1,
            {0x0002: VERIFICATION.encode(), 0x0100: us(0x20), 0x0110: us(7), 0x0800: us(0x0101)},
            0x0211,
        ),
        (
            3,
            {
                0x0002: CT_IMAGE_STORAGE.encode(),
                0x0100: us(0x30),
                0x0110: us(7),
                0x0800: us(0x0101),
            },
            0x0122,
        ),
        (
            1,
            {0x0002: VERIFICATION.encode(), 0x0100: us(0x01), 0x0110: us(7), 0x0800: us(0x0101)},
            0x0122,
        ),
    ],
)
def test_what_is_not_offered_is_refused_in_its_answer(
    start: Start, context_id: int, content: dict[int, bytes], status: int
) -> None:
    with Wire.to(start().port).open() as peer:
        assert peer.status(data(value(context_id, command(content), is_command=True))) == status


def test_a_store_without_a_dataset_is_refused_for_what_it_lacks(start: Start, bench: Bench) -> None:
    without = {
        0x0002: CT_IMAGE_STORAGE.encode(),
        0x0100: us(0x01),
        0x0110: us(7),
        0x0800: us(0x0101),
        0x1000: UID.encode(),
    }
    with Wire.to(start().port).open() as peer:
        assert peer.status(data(value(3, command(without), is_command=True))) == 0xC000
        assert peer.status(data(value(1, wire.echo_request(), is_command=True))) == 0x0000
    (told,) = bench.registry.incidents.latest()
    assert (told.kind, told.center) == ("unreadable-dataset", "alpha")


def test_a_silent_peer_is_let_go(start: Start) -> None:
    listener = start(network_timeout_s=0.3, request_timeout_s=0.3)
    with Wire.to(listener.port) as silent, Wire.to(listener.port).open() as idle:
        assert silent.receive()[0] == wire.CLOSED
        assert idle.receive()[0] == wire.ABORT
        assert idle.receive()[0] == wire.CLOSED
    wait_until(lambda: listener.open_associations == 0, 10, "every association is closed")


@pytest.mark.slow
def test_a_request_that_drips_is_let_go(start: Start) -> None:
    listener = start(request_timeout_s=0.5)
    with Wire.to(listener.port) as peer:
        began = time.monotonic()
        for byte in wire.associate():
            peer.send(bytes((byte,)))
            time.sleep(0.02)
            if time.monotonic() - began > 1.5:
                break
        assert peer.receive()[0] == wire.CLOSED


def test_so_many_silent_ones_make_room_for_a_caller(start: Start) -> None:
    listener = start()
    silent = [Wire.to(listener.port) for _ in range(40)]
    Wire.to(listener.port).open().connection.close()
    for one in silent:
        one.connection.close()


def test_an_object_that_is_too_long_is_read_to_its_end_and_refused(
    start: Start, bench: Bench
) -> None:
    services = bench.services
    services._maximum_object_bytes = len(DATASET) - 1
    with Wire.to(start(services=services).port).open() as peer:
        assert peer.status(wire.store(UID, DATASET)) == 0xA703
        assert peer.status(data(value(1, wire.echo_request(), is_command=True))) == 0x0000
    assert [one.kind for one in bench.registry.incidents.latest()] == ["oversized-object"]


def test_a_disk_that_is_almost_full_refuses_and_goes_on(start: Start, tmp_path: Path) -> None:
    full = Bench(tmp_path / "full", minimum_free_bytes=2**62)
    listener = start(services=full.services)
    with Wire.to(listener.port).open() as peer:
        kind, body = peer.ask(wire.store(UID, DATASET))
        assert (kind, wire.status_of(body)) == (wire.DATA, 0xA700)
        assert b"Disk almost full, send again later." in body
    full.close()


@pytest.mark.slow
def test_a_busy_association_is_answered_before_the_end_and_an_idle_one_is_ended(
    start: Start,
) -> None:
    listener = start()
    peer, idle = Wire.to(listener.port).open(), Wire.to(listener.port).open()
    whole = wire.store(UID, DATASET)
    peer.send(whole[:-50])
    time.sleep(0.1)
    stopping = threading.Thread(target=listener.stop, args=(10.0,))
    stopping.start()
    time.sleep(0.2)
    assert peer.status(whole[-50:]) == 0x0000
    assert peer.receive()[0] == wire.CLOSED
    assert idle.receive()[0] == wire.CLOSED
    stopping.join(20)
    assert not stopping.is_alive()
    for one in (peer, idle):
        one.connection.close()


def test_with_authorities_only_who_has_a_certificate_is_heard(
    start: Start, certificates: Certificates
) -> None:
    listener = start(tls=certificates.server_context())
    with Wire.to(listener.port) as plain:
        assert plain.ask(wire.associate())[0] != wire.ACCEPT
    for secured, is_heard in (
        (certificates.client_context(), True),
        (certificates.stranger(), False),
    ):
        raw = Wire.to(listener.port).connection
        try:
            connection = secured.wrap_socket(raw, server_hostname="localhost")
            with Wire(connection) as peer:
                assert (peer.ask(wire.associate())[0] == wire.ACCEPT) is is_heard
        except OSError:
            assert not is_heard
        raw.close()


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_certificate_is_held_to_the_ae_title_of_its_centre(
    start: Start, bench: Bench, certificates: Certificates, *, is_listed: bool
) -> None:
    encoded = ssl.PEM_cert_to_DER_cert((certificates.folder / "client.pem").read_text())
    listed = hashlib.sha256(encoded).digest().hex(":").upper() if is_listed else "server"
    listener = start(
        replace(center("alpha"), certificates=(listed,)), tls=certificates.server_context()
    )
    raw = Wire.to(listener.port).connection
    with Wire(certificates.client_context().wrap_socket(raw, server_hostname="localhost")) as peer:
        assert (peer.ask(wire.associate())[0] == wire.ACCEPT) is is_listed
    listener.stop(drain_s=0.0)
    assert [one.kind for one in bench.registry.incidents.latest()] == (
        [] if is_listed else ["unknown-certificate"]
    )


def test_private_junk_and_odd_character_sets_are_kept_as_they_came(
    start: Start, bench: Bench
) -> None:
    dataset = ct_slice(0)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "M\xfcller^J\xf6rg"
    dataset.add_new(0x00090010, "LO", "")
    dataset.add_new(0x00091001, "UN", bytes(range(256)))
    content = encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    with Wire.to(start().port).open() as peer:
        assert peer.status(wire.store(UID, content)) == 0x0000
    (file,) = bench.archive.files()
    assert file.path.read_bytes().endswith(content)


@pytest.mark.parametrize(
    ("suites", "is_heard"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", True),
        ("ECDHE-RSA-CHACHA20-POLY1305", True),
        ("ECDHE-RSA-AES256-SHA384", False),  # CBC
        ("AES128-GCM-SHA256", False),  # no forward secrecy
        ("DHE-RSA-AES256-GCM-SHA384", False),
    ],
)
def test_only_authenticated_encryption_with_forward_secrecy_is_spoken(
    start: Start, certificates: Certificates, suites: str, *, is_heard: bool
) -> None:
    table = TlsTable(
        certificate=certificates.folder / "server.pem", key=certificates.folder / "server.key"
    )
    listener = start(tls=server_context(table))
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suites)
    raw = Wire.to(listener.port).connection
    try:
        with Wire(context.wrap_socket(raw, server_hostname="localhost")) as peer:
            assert (peer.ask(wire.associate())[0] == wire.ACCEPT) is is_heard
    except OSError:
        assert not is_heard
    raw.close()
