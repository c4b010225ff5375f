"""Every transfer syntax that the field sends: it arrives and is read, or it is refused for a
documented reason.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicom_node.archive.part10 import read_meta
from tests.benchmarks.ingest_study import write_study
from tests.support import ROOT
from tests.support.dcmtk import storescu
from tests.support.node_process import NodeProcess

pytestmark = pytest.mark.peers

CONFORMANCE = ROOT / "deploy" / "guide" / "conformance.md"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

# Name, how it is made, storescu's option for it, what arrives from storescu and from dcmsend (None:
# refused).
MATRIX = [
    ("Implicit VR Little Endian", ["dcmconv", "+ti"], "-xi", IMPLICIT, EXPLICIT),
    ("Explicit VR Little Endian", ["dcmconv", "+te"], "-xe", EXPLICIT, EXPLICIT),
    ("Explicit VR Big Endian", ["dcmconv", "+tb"], "-xb", EXPLICIT, EXPLICIT),
    ("Deflated Explicit VR Little Endian", ["dcmconv", "+td"], "-xd", EXPLICIT, EXPLICIT),
    ("JPEG-LS Lossless", ["dcmcjpls"], "-xt", None, EXPLICIT),
    ("JPEG Lossless", ["dcmcjpeg"], "-xs", None, EXPLICIT),
    ("JPEG 2000 Lossless", ["gdcmconv", "--j2k"], "-xv", None, None),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    node = NodeProcess(tmp_path_factory.mktemp("interoperation"))
    node.start()
    yield node
    node.kill()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("original") / "study", slices=1, seed=7)[0]


def _encoded(original: Path, folder: Path, program: list[str]) -> Path:
    """Return the slice in another transfer syntax, under a UID of its own."""
    path = folder / "encoded.dcm"
    subprocess.run([*program, str(original), str(path)], check=True, capture_output=True)
    subprocess.run(["dcmodify", "-nb", "-gin", str(path)], check=True, capture_output=True)
    return path


def _files(node: NodeProcess) -> set[Path]:
    return set(node.archive.glob("*/*/*.dcm"))


@pytest.mark.parametrize(("name", "program", "option", "from_storescu", "from_dcmsend"), MATRIX)
def test_a_transfer_syntax_arrives_and_is_read_or_is_refused(
    node: NodeProcess,
    original: Path,
    tmp_path: Path,
    peer: Callable[[str], str],
    name: str,
    program: list[str],
    option: str,
    from_storescu: str | None,
    from_dcmsend: str | None,
) -> None:
    peer(program[0])
    for client, options, expected in (
        ("storescu", [option], from_storescu),
        ("dcmsend", [], from_dcmsend),
    ):
        sent = _encoded(original, tmp_path, program)
        before = _files(node)
        done = storescu(peer(client), node.port, [sent], "ALPHA", *options)
        new = _files(node) - before
        if expected is None:
            assert "No Acceptable Presentation Contexts" in done.stderr or done.returncode != 0
            assert new == set()
        else:
            assert done.returncode == 0, done.stderr
            (path,) = new
            assert read_meta(path)[0].transfer_syntax == expected
            assert np.array_equal(dcmread(path).pixel_array, dcmread(original).pixel_array)
    assert name in CONFORMANCE.read_text()


def test_gdcm_stores_a_study_and_is_refused_what_is_compressed(
    node: NodeProcess, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    files = write_study(tmp_path / "study", slices=3, seed=8)
    compressed = tmp_path / "compressed.dcm"
    subprocess.run(
        [peer("gdcmconv"), "--jpegls", files[0], compressed], check=True, capture_output=True
    )
    subprocess.run(["dcmodify", "-nb", "-gin", str(compressed)], check=True, capture_output=True)
    before = _files(node)
    for sent in (files, [compressed]):
        # Debian's gdcmscu aborts while it cleans up after itself, whoever the peer is: what arrived
        # is what counts.
        command = [
            peer("gdcmscu"),
            "--aetitle",
            "ALPHA",
            "--call",
            "ANNULUS",
            "--store",
            "127.0.0.1",
            str(node.port),
        ]
        subprocess.run([*command, *map(str, sent)], check=False, capture_output=True, timeout=60)
    kept = {str(read_meta(path)[0].sop_instance_uid): path for path in _files(node) - before}
    originals = {str(one.SOPInstanceUID): one for one in map(dcmread, files)}
    assert kept.keys() == originals.keys()
    for uid, original in originals.items():
        assert dcmread(kept[uid]) == original
    assert "GDCM" in CONFORMANCE.read_text()
