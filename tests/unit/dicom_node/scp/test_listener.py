"""Over a real association: who may call, what is answered, and what an operator reads of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    RT_STRUCTURE_SET_STORAGE,
    VERIFICATION,
)
from dicom_node.registry.registry import StudyState
from dicom_node.scp.listener import Listener, ListenerSettings
from tests.support import wire
from tests.support.intake_bench import Bench, center, ct_slice, request, whole_study
from tests.support.waiting import wait_until
from tests.support.wire import Wire

_ECHO = wire.data(wire.value(1, wire.echo_request(), is_command=True))


@pytest.fixture
def listener(bench: Bench) -> Iterator[Listener]:
    listener = Listener(
        ListenerSettings("ANNULUS", "127.0.0.1", 0, maximum_associations=2, network_timeout_s=20.0),
        (center("alpha"), center("beta")),
        bench.services,
        bench.intake.notes,
    )
    listener.start()
    yield listener
    listener.stop(drain_s=0.0)


def _call(listener: Listener, calling: str = "ALPHA", called: str = "ANNULUS") -> Any:
    entity = AE(calling)
    for sop_class in (VERIFICATION, CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE):
        entity.add_requested_context(sop_class, EXPLICIT_VR_LITTLE_ENDIAN)
    return entity.associate("127.0.0.1", listener.port, ae_title=called)


def _wait_for_incident(bench: Bench, kind: str) -> None:
    """Wait for another thread: an association is rejected before its incident is written."""
    wait_until(lambda: [one.kind for one in bench.registry.incidents.latest()] == [kind], 20, kind)


def test_a_study_that_is_pushed_is_answered_with_success_and_queued(
    listener: Listener, bench: Bench
) -> None:
    slices, drawn = whole_study()
    association = _call(listener)
    assert association.send_c_echo().Status == 0x0000
    assert [association.send_c_store(one).Status for one in [drawn, *slices]] == [0x0000] * 5
    association.release()
    assert [(one.center, one.state) for one in bench.registry.studies.summaries()] == [
        ("alpha", StudyState.QUEUED)
    ]


@pytest.mark.parametrize(
    ("calling", "called", "kind"),
    [("NOBODY", "ANNULUS", "unknown-caller"), ("ALPHA", "ANULUS", "wrong-called-ae")],
)
def test_a_wrong_caller_is_rejected_with_an_incident(
    listener: Listener, bench: Bench, calling: str, called: str, kind: str
) -> None:
    association = _call(listener, calling, called)
    assert association.is_rejected
    _wait_for_incident(bench, kind)
    assert calling in bench.registry.incidents.latest()[0].sentence


def test_one_association_too_many_is_asked_to_come_again(listener: Listener, bench: Bench) -> None:
    open_ones = [_call(listener), _call(listener)]
    assert all(one.is_established for one in open_ones)
    assert _call(listener).is_rejected
    _wait_for_incident(bench, "too-many-associations")
    for one in open_ones:
        one.release()


def _changed(change: str) -> Dataset:
    dataset = ct_slice(0)
    if change == "pixels":
        dataset.Rows = 99
    elif change == "content":
        dataset.PixelData = b"\1" * 160
    elif change == "uid":
        dataset.StudyInstanceUID = "1.2.3/../x"
    return dataset


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(
    ("change", "status"), [("pixels", 0xC001), ("content", 0xC002), ("uid", 0xC000)]
)
def test_what_cannot_be_kept_is_answered_with_its_status_and_the_association_lives_on(
    listener: Listener, bench: Bench, change: str, status: int
) -> None:
    bench.push(ct_slice(0))
    association = _call(listener)
    assert association.send_c_store(_changed(change)).Status == status
    assert association.send_c_store(ct_slice(1)).Status == 0x0000
    association.release()
    assert len(list(bench.archive.files())) == 2


def test_a_registry_that_is_gone_is_never_answered_with_success(
    listener: Listener, bench: Bench
) -> None:
    with bench.registry._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE instances")
    association = _call(listener)
    assert association.send_c_store(ct_slice(0)).Status == 0xA702
    association.release()


def test_sop_classes_that_are_not_asked_for_are_not_accepted(listener: Listener) -> None:
    entity = AE("ALPHA")
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.4")
    assert not entity.associate("127.0.0.1", listener.port, ae_title="ANNULUS").is_established


def test_a_stopped_receiver_takes_no_call_and_without_centers_there_is_none(
    listener: Listener, bench: Bench
) -> None:
    address = ("127.0.0.1", listener.port)
    listener.stop(drain_s=0.0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    with pytest.raises(RuntimeError, match="no port"):
        _ = listener.port
    with pytest.raises(ValueError, match="at least one"):
        Listener(
            ListenerSettings("ANNULUS", "127.0.0.1", 0),
            (),
            bench.services,
            bench.intake.notes,
        )


def _start(bench: Bench, **more: Any) -> Listener:
    settings = ListenerSettings("ANNULUS", "127.0.0.1", 0, maximum_associations=4, **more)
    known = (center("alpha"), center("beta"))
    listener = Listener(settings, known, bench.services, bench.intake.notes)
    listener.start()
    return listener


def test_one_centre_has_its_share_and_the_other_is_let_in(bench: Bench) -> None:
    listener = _start(bench, associations_of_a_center=2)
    try:
        held = [Wire.to(listener.port).open() for _ in range(2)]
        with Wire.to(listener.port) as third:
            kind, body = third.ask(wire.associate())
            assert (kind, tuple(body[1:])) == (wire.REJECT, (2, 3, 2))
        for _ in range(9):
            with Wire.to(listener.port) as other:
                assert other.ask(wire.associate(calling="BETA"))[0] == wire.ACCEPT
                assert other.ask(wire.RELEASE)[0] == wire.RELEASED
        for one in held:
            one.connection.close()
        wait_until(lambda: listener.open_associations == 0, 20, "the places are free")
    finally:
        listener.stop(drain_s=0.0)


@pytest.mark.slow
def test_an_association_on_which_a_message_drips_is_ended(bench: Bench) -> None:
    listener = _start(bench, network_timeout_s=1.0, bytes_per_s=1000.0)
    try:
        whole = wire.store(str(ct_slice(0).SOPInstanceUID), request(ct_slice(0)).dataset)
        with Wire.to(listener.port).open() as slow, Wire.to(listener.port).open() as patient:
            slow.send(whole[:40])
            began = time.monotonic()
            for byte in whole[40:80]:
                if listener.open_associations < 2:
                    break
                slow.send(bytes((byte,)))
                if time.monotonic() - began < 1.0:
                    # who is asked nothing may be silent in between, for less than the timeout
                    assert patient.status(_ECHO) == 0x0000
                time.sleep(0.2)
            assert listener.open_associations < 2
            assert time.monotonic() - began < 5
        assert bench.registry.instances.paths() == set()
    finally:
        listener.stop(drain_s=0.0)


def test_four_hundred_strangers_are_one_incident_that_counts(bench: Bench) -> None:
    listener = _start(bench)
    try:
        for number in range(400):
            with Wire.to(listener.port) as stranger:
                assert stranger.ask(wire.associate(calling=f"X{number}"))[0] == wire.REJECT
    finally:
        listener.stop(drain_s=5.0)
    wait_until(
        lambda: [one.count for one in bench.registry.incidents.latest()] == [400], 20, "all of them"
    )


@pytest.mark.slow
def test_a_release_waits_for_no_registry_that_is_locked(bench: Bench) -> None:
    listener = _start(bench)
    try:
        with (
            Wire.to(listener.port).open() as peer,
            Wire.to(listener.port).open() as other,
            bench.registry._database.write(),
        ):
            store = wire.store(str(ct_slice(0).SOPInstanceUID), request(ct_slice(0)).dataset)
            assert other.status(store) == 0x0000
            began = time.monotonic()
            assert peer.ask(wire.RELEASE)[0] == wire.RELEASED
            assert time.monotonic() - began < 1.0  # nothing was stored on it
            assert other.ask(wire.RELEASE)[0] == wire.RELEASED
            assert time.monotonic() - began < 5.0
        assert bench.intake.flush()
        assert len(bench.registry.instances.paths()) == 1
    finally:
        listener.stop(drain_s=0.0)


@pytest.mark.slow
def test_who_is_refused_waits_for_no_registry_that_is_locked(bench: Bench) -> None:
    listener = _start(bench)
    try:
        with bench.registry._database.write():
            began = time.monotonic()
            for _ in range(3):
                with Wire.to(listener.port) as stranger:
                    assert stranger.ask(wire.associate("STRANGER"))[0] == wire.REJECT
            with Wire.to(listener.port).open() as peer:
                dataset = request(ct_slice(0)).dataset
                assert peer.status(wire.store("1.2.3.4", dataset)) == 0xA900
                assert peer.status(wire.store("1.2.3.4", dataset[:300])) == 0xC001
            assert time.monotonic() - began < 10.0  # a lock is waited for half a minute
        wait_until(
            lambda: (
                sorted((one.kind, one.count) for one in bench.registry.incidents.latest())
                == [("damaged-instance", 1), ("identity-mismatch", 1), ("unknown-caller", 3)]
            ),
            40,
            "all are recorded afterwards",
        )
    finally:
        listener.stop(drain_s=0.0)
