"""Random values in every element that a live node reads: ``python -m tests.torture.values --count
20000``.

CT slices and RTSTRUCTs in which one to three elements hold what nobody should write come over
associations and STOW-RS, requests for storage commitment and command sets among them; half of them
with the registry on SQLite, half on PostgreSQL. Each must be answered: with success, and then its
bytes lie in the archive and the registry says so; or with a failure, and then an incident counts it
and, where it is data, its bytes lie in the quarantine. Its association goes on, and a sound object
after it is stored. No log and no incident holds a patient's text or a traceback. In the end a
start and ``reindex`` find nothing to mend. The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest import mock
from urllib.error import HTTPError
from urllib.request import urlopen

from deploy.local.processes import free_port
from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.identity import is_uid
from dicom_node.network.commitment_messages import Reference, request_dataset
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, token_variable
from tests.support import wire
from tests.support.intake_bench import ct_slice, rtstruct
from tests.support.kept_instances import kept_instances
from tests.support.memory_folder import memory_folder
from tests.support.node_process import KEY, NodeProcess
from tests.support.postgresql import PostgreSQL, programs
from tests.support.processes import run_module
from tests.support.random_values import MARK, Tree, encoded, spoil, tree_of
from tests.support.settings_tables import center_table
from tests.support.stow_bodies import TOKEN, stow_request
from tests.support.wire import Wire, context

_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_CT, _RTSTRUCT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3"
_VERIFICATION, _COMMITMENT = "1.2.840.10008.1.1", "1.2.840.10008.1.20.1"
_CONTEXT = {(_CT, False): 3, (_CT, True): 5, (_RTSTRUCT, False): 7, (_RTSTRUCT, True): 9}
_CONTEXTS = (
    context(1, _VERIFICATION, _IMPLICIT),
    *(
        context(number, kind, _IMPLICIT if implicit else _EXPLICIT)
        for (kind, implicit), number in _CONTEXT.items()
    ),
    context(11, _COMMITMENT, _IMPLICIT),
)
_GROUP = 20  # objects of one association or one body
_NODE = (
    "quiet_period_s = 3600\nnetwork_timeout_s = 30\nsweep_interval_s = 0.5\nminimum_free_bytes = 0"
)
_UNKEPT = frozenset((0xA700, 0xA701, 0xA702, 0xA703, 0x0122, 0xC122))
"""Statuses of objects of which nothing is kept."""


@dataclass
class Values:
    """What was seen.

    Parameters
    ----------
    objects : int
        Objects and requests that were sent.
    statuses : mapping of str to int
        How often each was answered with which status.
    problems : list of str
        What must not be.
    """

    objects: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Object:
    """One object to store, and what was done to it."""

    uid: str
    kind: str
    is_implicit: bool
    content: bytes
    spoiled: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class _Sender:
    """Sends spoiled objects, and remembers how each was answered."""

    def __init__(self, node: NodeProcess, stow_port: int, random: Random, seen: Values) -> None:
        self.accepted: dict[str, set[str]] = {}
        self.quarantined: dict[str, str] = {}
        self.refused = 0
        self._node = node
        self._stow_port = stow_port
        self._random = random
        self._seen = seen
        self._group = 0
        self._made = 0

    def send(self) -> None:
        """Send a group of objects over one of the doors, and a sound one after them."""
        self._group += 1
        if self._random.random() < 0.3:
            self._over_http()
        else:
            self._over_dimse()

    def _over_dimse(self) -> None:
        with Wire.to(self._node.port, timeout_s=120.0) as peer:
            if peer.ask(wire.associate(contexts=_CONTEXTS))[0] != wire.ACCEPT:
                self._seen.problems.append("a good caller is not let in any more")
                return
            for _ in range(_GROUP):
                kind = self._random.random()
                if kind < 0.05:
                    is_answered = self._ask_for_commitment(peer)
                elif kind < 0.1:
                    is_answered = self._echo(peer)
                else:
                    is_answered = self._store(peer, self._spoiled())
                if not is_answered:
                    return
            sound = self._sound()
            self._store(peer, sound)
            if sound.sha256 not in self.accepted.get(sound.uid, ()):
                self._seen.problems.append("a sound object is not taken")
            if peer.ask(wire.RELEASE)[0] != wire.RELEASED:
                self._seen.problems.append("a release is not answered")

    def _store(self, peer: Wire, one: _Object) -> bool:
        elements = {
            0x0002: one.kind.encode(),
            0x0100: wire.us(1),
            0x0110: wire.us(self._random.randrange(1, 65536)),
            0x0700: wire.us(0),
            0x0800: wire.us(0),
            0x1000: one.uid.encode(),
        }
        what = one.spoiled
        if what and self._random.random() < 0.1:
            what += f", {self._spoil_command(elements)}"
        number = _CONTEXT[one.kind, one.is_implicit]
        peer.send(wire.data(wire.value(number, wire.command(elements), is_command=True)))
        for start in range(0, len(one.content) or 1, 16000):
            piece, is_last = one.content[start : start + 16000], start + 16000 >= len(one.content)
            peer.send(wire.data(wire.value(number, piece, is_command=False, is_last=is_last)))
        status = self._answer(peer, what)
        if status is not None:
            self._note(one, status)
        return status is not None

    def _answer(self, peer: Wire, what: str) -> int | None:
        self._seen.objects += 1
        kind, body = peer.receive()
        if kind != wire.DATA:
            self._seen.problems.append(f"no answer, but a PDU of type {kind}: {what}")
            return None
        status = wire.status_of(body)
        self._seen.statuses[f"0x{status:04X}"] += 1
        return status

    def _note(self, one: _Object, status: int) -> None:
        if status == 0:
            self.accepted.setdefault(one.uid, set()).add(one.sha256)
            return
        self.refused += 1
        if status not in _UNKEPT:
            self.quarantined[one.sha256[:16]] = f"0x{status:04X}, {one.spoiled}"

    def _spoil_command(self, elements: dict[int, bytes]) -> str:
        """Change what does not tell where the message ends."""
        which = self._random.choice(
            (0x0002, 0x1000, 0x0110, 0x0700, 0x1030, 0x1031, 0x0003, 0x5555)
        )
        tree: Tree = tree_of(ct_slice(0))[:1]
        tree[0].vr = "UI"
        spoil(tree, self._random)
        value = tree[0].value if tree else b""
        elements[which] = value if isinstance(value, bytes) else b""
        return f"command element {which:04X}"

    def _echo(self, peer: Wire) -> bool:
        elements = {
            0x0002: _VERIFICATION.encode(),
            0x0100: wire.us(0x30),
            0x0110: wire.us(1),
            0x0800: wire.us(0x0101),
        }
        what = f"echo, {self._spoil_command(elements)}"
        command = wire.command(elements)
        peer.send(wire.data(wire.value(1, command, is_command=True)))
        return self._answer(peer, what) is not None

    def _ask_for_commitment(self, peer: Wire) -> bool:
        known = [uid for uid in self.accepted if is_uid(uid)][-3:] or ["1.2.3"]
        tree = tree_of(request_dataset("1.2.3.4", [Reference(_CT, one) for one in known]))
        what = (
            f"commitment, {spoil(tree, self._random)}" if self._random.random() < 0.8 else "sound"
        )
        elements = wire.commitment_elements()
        if self._random.random() < 0.3:
            elements[self._random.choice((0x1001, 0x1008))] = self._random.randbytes(3)
        dataset = encoded(tree, implicit=True, undefined=self._random.random() < 0.3)
        peer.send(wire.data(wire.value(11, wire.command(elements), is_command=True)))
        peer.send(wire.data(wire.value(11, dataset, is_command=False)))
        status = self._answer(peer, what)
        if status == 0:
            while True:  # what was asked is reported on this association
                kind, body = peer.receive()
                if kind != wire.DATA:
                    self._seen.problems.append(f"no report, but a PDU of type {kind}: {what}")
                    return False
                if body[5] == 2:
                    break
            taken = {
                0x0002: _COMMITMENT.encode(),
                0x0100: wire.us(0x8100),
                0x0120: wire.us(1),
                0x0800: wire.us(0x0101),
                0x0900: wire.us(0),
            }
            peer.send(wire.data(wire.value(11, wire.command(taken), is_command=True)))
        return status is not None

    def _over_http(self) -> None:
        sent = [*(self._spoiled() for _ in range(_GROUP)), self._sound()]
        files = []
        for one in sent:
            said = [one.kind, one.uid, _IMPLICIT if one.is_implicit else _EXPLICIT]
            files.append(FileMeta(*said).header() + one.content)
        request = stow_request(self._stow_port, *files)
        try:
            with urlopen(request, timeout=300) as answer:
                told = json.loads(answer.read())
        except HTTPError as error:
            what = "; ".join(one.spoiled for one in sent)
            self._seen.problems.append(f"STOW-RS is answered {error.code}: {what}")
            return
        # What is named by its UIDs is in the first two, in the order in which it came.
        kept, failed, other = (
            told.get(tag, {"Value": []})["Value"] for tag in ("00081199", "00081198", "0008119A")
        )
        self._seen.objects += len(sent)
        if len(kept) + len(failed) + len(other) != len(sent):
            self._seen.problems.append(f"STOW-RS answers {told} to {len(sent)} parts")
        left = Counter(item["00081155"]["Value"][0] for item in kept)
        reasons: dict[str, list[int]] = {}
        for item in failed:
            uid = item["00081155"]["Value"][0]
            reasons.setdefault(uid, []).append(item["00081197"]["Value"][0])
        for one in sent:
            # Which of two under one UID was taken is not told: it is the first.
            if left[one.uid]:
                left[one.uid] -= 1
                status = 0
            else:
                status = reasons[one.uid].pop(0)
            self._seen.statuses[f"0x{status:04X}"] += 1
            self._note(one, status)
        if sent[-1].sha256 not in self.accepted.get(sent[-1].uid, ()):
            self._seen.problems.append("a sound part is not taken")

    def _spoiled(self) -> _Object:
        one, kind = self._tree()
        random = self._random
        what = ", ".join(spoil(one, random) for _ in range(random.choice((1, 1, 1, 2, 3))))
        implicit = random.random() < 0.5
        content = encoded(one, implicit=implicit, undefined=random.random() < 0.3)
        return _Object(self._uid(), kind, implicit, content, what)

    def _sound(self) -> _Object:
        one, kind = self._tree()
        return _Object(self._uid(), kind, False, encoded(one, implicit=False), "")

    def _tree(self) -> tuple[Tree, str]:
        self._made += 1
        study, patient = f"1.9.{self._group}", f"P{self._group}"
        first = ct_slice(0, study=study, series=f"{study}.1", patient=patient)
        listed = [str(first.SOPInstanceUID), f"{study}.1.2", f"{study}.1.3"]
        drawn = rtstruct(listed, study=study, patient=patient)
        one = self._random.choice((first, drawn))
        one.SOPInstanceUID = self._uid()
        one.SpecificCharacterSet = "ISO_IR 100"
        one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.NumberOfFrames = "1"
        one.InstanceCreationDate, one.InstanceCreationTime = "20240517", "083000"
        one.PatientName = f"{MARK}^Given"
        return tree_of(one), str(one.SOPClassUID)

    def _uid(self) -> str:
        return f"1.8.{self._made}"


def values(folder: Path, count: int, seed: int, registry_url: str | None = None) -> Values:
    """Send so many objects to a fresh node in `folder`, and return what was seen."""
    seen = Values()
    stow_port = free_port()
    more = f"\nstow_port = {stow_port}"
    if registry_url is not None:
        more += f"\nregistry_url = '{registry_url}'"
    node = NodeProcess(folder, _NODE + more, center_table("alpha"))
    with mock.patch.dict(os.environ, {token_variable("alpha"): TOKEN}):
        try:
            node.start()
            sender = _Sender(node, stow_port, Random(seed), seen)
            while seen.objects < count and node.is_alive and len(seen.problems) < 20:
                sender.send()
            if not node.is_alive or node.stop() != 0:
                seen.problems.append("the node died")
            _check(node, sender, seen)
            node.start()
            sender.send()
            if node.stop() != 0:
                seen.problems.append("the node died after a start")
        finally:
            node.kill()
    environment = {**os.environ, PSEUDONYM_KEY_VARIABLE: KEY}
    told = run_module(environment, "dicom_node", "--settings", str(node.settings), "reindex")
    if not told.stdout.startswith("0 files indexed, 0 entries without a file forgotten, 0 files"):
        seen.problems.append(f"reindex says {told.stdout} {told.stderr}")
    return seen


def _check(node: NodeProcess, sender: _Sender, seen: Values) -> None:
    """Hold what was answered against what is there."""
    with node.registry() as registry:
        kept = kept_instances(registry, node.archive)
        files = {str(one.relative_to(node.archive)) for one in node.archive.glob("*/*/*.dcm")}
        if registry.instances.paths() != files:
            seen.problems.append("the registry does not say what the archive holds")
        incidents = registry.incidents.latest(100_000)
    for uid, digests in sender.accepted.items():
        if kept.get(uid) not in digests:
            seen.problems.append(f"{uid} was answered with success and is not there")
    counted = sum(one.count for one in incidents)
    if counted != sender.refused:
        seen.problems.append(f"{sender.refused} were refused, the incidents count {counted}")
    named = {path.stem[-16:] for path in (node.data / "quarantine").glob("*/*/*.dcm")}
    for digest in sender.quarantined.keys() - named:
        seen.problems.append(f"not in the quarantine: {sender.quarantined[digest]}")
    log = node.log.read_text(errors="replace")
    for word in ("Traceback", MARK):
        if word in log:
            at = log.index(word)
            seen.problems.append(f"the log holds {word}: {log[max(at - 300, 0) : at + 1500]}")
    if any(MARK in f"{one.sentence}{one.subject}" for one in incidents):
        seen.problems.append("an incident holds a patient's text")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--registry", choices=("sqlite", "postgresql", "both"), default="both")
    options = parser.parse_args(arguments)
    chosen = ("sqlite", "postgresql") if options.registry == "both" else (options.registry,)
    results = {}
    for number, registry in enumerate(chosen):
        count, seed = options.count // len(chosen), options.seed + number
        with memory_folder("values-") as folder:
            if registry == "sqlite":
                results[registry] = values(folder / "node", count, seed)
                continue
            if (binaries := programs()) is None:
                parser.error("PostgreSQL is not installed (apt-get install postgresql)")
            with PostgreSQL(binaries) as server:
                url = server.new_schema()
                results[registry] = values(folder / "node", count, seed, url)
    for seen in results.values():
        for problem in seen.problems:
            print(problem)
    figures = {
        registry: {
            "objects": seen.objects,
            "problems": len(seen.problems),
            "statuses": dict(sorted(seen.statuses.items())),
        }
        for registry, seen in results.items()
    }
    print(json.dumps(figures))
    return 1 if any(seen.problems for seen in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
