"""One bad object is answered, set aside and told of; its association and everybody else go on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_node.__main__ import SWITCH_INTERVAL_S
from dicom_node.archive.part10 import read_meta
from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.datasets.instance import read_instance
from dicom_node.intake import intake
from dicom_node.scp.listener import Listener
from tests.support import wire
from tests.support.intake_bench import Bench, ct_slice, request
from tests.support.large_objects import write_structure
from tests.support.raw_values import CANNOT_BE, with_value
from tests.support.wire import Wire, context, data, value

Start = Callable[..., Listener]


def _store(index: int) -> bytes:
    dataset = ct_slice(index)
    return wire.store(str(dataset.SOPInstanceUID), request(dataset).dataset)


def test_every_value_that_cannot_be_is_refused_on_one_association(
    start: Start, bench: Bench
) -> None:
    with Wire.to(start().port).open() as peer:
        for number, (tag, vr, content) in enumerate(CANNOT_BE.values()):
            dataset = ct_slice(number)
            bad = wire.store(str(dataset.SOPInstanceUID), with_value(dataset, tag, vr, content))
            assert peer.status(bad) in {0xC000, 0xC001}
            assert len(list(bench.archive.quarantined.rglob("*.dcm"))) == number + 1
        assert peer.status(_store(0)) == 0x0000
        assert peer.ask(wire.RELEASE)[0] == wire.RELEASED
    assert len(bench.registry.instances.paths()) == 1
    told = bench.registry.incidents.latest()
    assert {one.kind for one in told} <= {"unreadable-dataset", "damaged-instance"}
    assert sum(one.count for one in told) == len(CANNOT_BE)
    assert len(told) <= 3  # counted, not multiplied
    again = bench.reopen()
    assert len(again.registry.instances.paths()) == 1
    again.close()


@pytest.mark.parametrize("tag", [0x00020010, 0x00000002])
def test_file_meta_information_in_a_dataset_is_not_understood(start: Start, tag: int) -> None:
    dataset = with_value(ct_slice(0), tag, "UI", b"1.2")
    with Wire.to(start().port).open() as peer:
        assert peer.status(wire.store(str(ct_slice(0).SOPInstanceUID), dataset)) == 0xC000
        implicit = request(ct_slice(0), "1.2.840.10008.1.2").dataset
        assert peer.status(wire.store(str(ct_slice(0).SOPInstanceUID), implicit)) == 0xC000
        assert peer.status(_store(0)) == 0x0000


def test_an_error_that_nobody_foresaw_is_answered_and_the_association_goes_on(
    start: Start, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(*_: object) -> None:
        raise RecursionError("PATIENT^NAME")

    with Wire.to(start().port).open() as peer:
        with monkeypatch.context() as patched:
            patched.setattr(intake, "read_instance", unforeseen)
            assert peer.status(_store(0)) == 0x0110
        assert peer.status(_store(1)) == 0x0000
        assert peer.ask(wire.RELEASE)[0] == wire.RELEASED
    assert len(list(bench.archive.quarantined.rglob("*.dcm"))) == 1
    (incident,) = bench.registry.incidents.latest()
    assert incident.kind == "processing-failure"
    assert "PATIENT" not in incident.sentence


def test_a_request_for_commitment_that_is_no_sequence_is_answered(start: Start) -> None:
    commitment = "1.2.840.10008.1.20.1"
    asked = wire.command(
        {
            0x0003: commitment.encode(),
            0x0100: wire.us(0x0130),
            0x0110: wire.us(1),
            0x0800: wire.us(0),
            0x1001: b"1.2.840.10008.1.20.1.1",
            0x1008: wire.us(1),
        }
    )
    dataset = b"\x08\0\x95\x11UI\x06\x001.2.3\0" + b"\x08\0\x99\x11UI\x08\x001.2\\1.3\0"
    contexts = (context(1, commitment, "1.2.840.10008.1.2.1"), *wire.CONTEXTS[1:])
    with Wire.to(start().port) as peer:
        assert peer.ask(wire.associate(contexts=contexts))[0] == wire.ACCEPT
        message = data(value(1, asked, is_command=True)) + data(value(1, dataset, is_command=False))
        assert peer.status(message) == 0x0115
        assert peer.status(_store(0)) == 0x0000


@pytest.fixture
def switching_as_the_node() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.usefixtures("switching_as_the_node")
@pytest.mark.parametrize(("what", "length"), [("undefined lengths", 6 << 20), ("points", 40 << 20)])
def test_a_hard_object_that_is_read_delays_no_echo(
    start: Start, tmp_path: Path, what: str, length: int
) -> None:
    path = write_structure(tmp_path / "hard.dcm", what, length)
    meta, begin = read_meta(path)

    def read() -> None:
        with path.open("rb") as file:
            window = DatasetWindow(file.fileno(), begin, path.stat().st_size - begin)
            read_instance(window, meta.transfer_syntax)

    echo = data(value(1, wire.echo_request(), is_command=True))
    delays: list[float] = []
    with Wire.to(start().port).open() as peer:
        reading = threading.Thread(target=read)
        reading.start()
        while reading.is_alive():
            begun = time.monotonic()
            assert peer.status(echo) == 0x0000
            delays.append(time.monotonic() - begun)
        reading.join()
    assert len(delays) >= 3
    assert max(delays) < 0.2
