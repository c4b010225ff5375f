"""Mutated requests, PDUs, command sets and datasets at a live node: ``python -m tests.torture.fuzz
--count 20000``.

Every mutation is drawn from one seed, so that a failure can be had again. The node must live, keep
its memory, write nothing outside its folder, leave no temporary file, log no traceback, and serve a
good study in the end. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from dicom_node.network.commitment_messages import Reference, request_dataset
from tests.support import wire
from tests.support.intake_bench import ct_slice, encode, request, whole_study
from tests.support.node_process import NodeProcess
from tests.support.processes import memory
from tests.support.wire import Wire, context, data, value

MEMORY_LIMIT = 100 << 20
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_CT, _RTSTRUCT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3"
_COMMITMENT = "1.2.840.10008.1.20.1"
_CONTEXTS = (
    context(1, "1.2.840.10008.1.1", _IMPLICIT),
    context(3, _CT, _EXPLICIT),
    context(5, _RTSTRUCT, _IMPLICIT),
    context(7, _COMMITMENT, _IMPLICIT),
)
_BYTES = (0x00, 0x01, 0x03, 0x04, 0x7F, 0x80, 0xFE, 0xFF)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        result = fuzz(Path(name), options.count, options.seed)
    print(json.dumps(result))
    return 0 if result["survived"] else 1


def fuzz(folder: Path, count: int, seed: int) -> dict[str, int | bool | list[str]]:
    """Send so many mutations to a fresh node in `folder`, and return what was seen."""
    node = NodeProcess(folder)
    node.start()
    outside = _outside(folder, node.data)
    random = Random(seed)
    before = 0
    try:
        sent = 0
        while sent < count:
            sent += random.choice(_ATTACKS)(node.port, random)
            if not before and sent >= count // 10:
                before = memory(node.process.pid, "VmRSS")
        grown = memory(node.process.pid, "VmRSS") - before
        problems = _problems(node, folder, outside)
        if grown > MEMORY_LIMIT:
            problems.append(f"memory grew by {grown} bytes")
    finally:
        if node.is_alive:
            node.stop()
    return {"mutations": sent, "grown_bytes": grown, "problems": problems, "survived": not problems}


def mutate(content: bytes, random: Random) -> bytes:
    """Return a mutation: bytes changed, cut out, doubled, filled in, or a length that lies."""
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(found) or 1)
        match random.randrange(7):
            case 0 if found:
                found[at] = random.choice(_BYTES)
            case 1 if found:
                found[at] ^= 1 << random.randrange(8)
            case 2:
                del found[at : at + random.choice((1, 2, 4, 100))]
            case 3:
                found[at:at] = found[at : at + random.choice((1, 4, 8, 64))]
            case 4:
                found[at:at] = random.randbytes(random.choice((1, 4, 16, 300)))
            case 5:
                found[at : at + 4] = random.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\1\0")
                )
            case _:
                del found[at:]
    return bytes(found)


def _on_the_request(port: int, random: Random) -> int:
    with Wire.to(port) as peer:
        peer.send(mutate(wire.associate(contexts=_CONTEXTS), random))
        _hang_up(peer)
    return 1


def _on_the_pdus(port: int, random: Random) -> int:
    with Wire.to(port) as peer:
        peer.send(wire.associate(contexts=_CONTEXTS) + mutate(random.choice(_MESSAGES), random))
        _hang_up(peer)
    return 1


def _on_the_commands(port: int, random: Random) -> int:
    """Mutate command sets within sound PDUs; one that still announces a dataset gets one."""
    with Wire.to(port) as peer:
        peer.send(wire.associate(contexts=_CONTEXTS))
        context_id, command, dataset = random.choice(_PARTS)
        peer.send(data(value(context_id, mutate(command, random), is_command=True)))
        peer.send(data(value(context_id, dataset[:16000], is_command=False)))
        _hang_up(peer)
    return 1


def _on_the_datasets(port: int, random: Random) -> int:
    """Mutate datasets within sound messages, several on one association."""
    with Wire.to(port) as peer:
        if peer.ask(wire.associate(contexts=_CONTEXTS))[0] != wire.ACCEPT:
            raise RuntimeError("a good caller is not let in any more")
        for number in range(10):
            context_id, command, dataset = random.choice(_PARTS[1:])
            mutated = mutate(dataset, random)
            peer.send(data(value(context_id, command, is_command=True)))
            for start in range(0, len(mutated) or 1, 16000):
                is_last = start + 16000 >= len(mutated)
                peer.send(
                    data(
                        value(
                            context_id,
                            mutated[start : start + 16000],
                            is_command=False,
                            is_last=is_last,
                        )
                    )
                )
            if peer.receive()[0] != wire.DATA:
                return number + 1
            if context_id == 7:
                break  # its report comes on this association; the rest would be out of step
    return 10


_ATTACKS: tuple[Callable[[int, Random], int], ...] = (
    _on_the_request,
    _on_the_pdus,
    _on_the_pdus,
    _on_the_commands,
    _on_the_datasets,
)


def _hang_up(peer: Wire) -> None:
    """Say that nothing more comes, and read until the node has closed."""
    try:
        peer.connection.shutdown(1)
        while peer.receive()[0]:
            pass
    except OSError:
        pass


def _parts() -> tuple[tuple[int, bytes, bytes], ...]:
    slices, drawn = whole_study(2)
    store = wire.store_request(str(slices[0].SOPInstanceUID))
    structure = wire.store_request(str(drawn.SOPInstanceUID), _RTSTRUCT)
    action = wire.command(wire.commitment_elements())
    asked = request_dataset("1.2.3.4", [Reference(_CT, str(slices[0].SOPInstanceUID))])
    return (
        (1, wire.echo_request(), b""),
        (3, store, request(slices[0]).dataset),
        (5, structure, encode(drawn)),
        (7, action, encode(asked)),
    )


_PARTS = _parts()
_MESSAGES = (
    *(data(value(number, command, is_command=True)) for number, command, _ in _PARTS),
    *(
        data(value(number, command, is_command=True), value(number, dataset, is_command=False))
        for number, command, dataset in _PARTS[1:]
    ),
    wire.RELEASE,
)


def _outside(folder: Path, data_folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(data_folder)}


def _problems(node: NodeProcess, folder: Path, outside: set[Path]) -> list[str]:
    """Return what is wrong with the node in the end, a good study included."""
    if not node.is_alive:
        return ["the node died"]
    good = [ct_slice(index, study="1.9.1", series="1.9.1.1") for index in range(3)]
    with Wire.to(node.port) as peer:
        peer.ask(wire.associate(contexts=_CONTEXTS))
        statuses = [
            peer.status(wire.store(str(one.SOPInstanceUID), request(one).dataset)) for one in good
        ]
        is_released = peer.ask(wire.RELEASE)[0] == wire.RELEASED
    problems = []
    if any(statuses) or not is_released:
        problems.append(f"a good study is answered {statuses}, its release {is_released}")
    if _outside(folder, node.data) != outside:
        problems.append("something was written outside the node's folder")
    if left := list((node.archive / ".tmp").iterdir()):
        problems.append(f"{len(left)} temporary files were left")
    if "Traceback" in node.log.read_text(errors="replace"):
        problems.append("the log holds a traceback")
    return problems


if __name__ == "__main__":
    sys.exit(main())
