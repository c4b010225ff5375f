"""A body on its way in: memory does not grow with it, and whatever it is made of is answered."""

from __future__ import annotations

from random import Random

import pytest

from dicom_node.archive.part10 import read_meta
from dicom_node.stow.multipart import MultipartError
from dicom_node.stow.store_response import store_response
from dicom_node.stow.upload import Upload
from tests.support.intake_bench import Bench, center, ct_slice, whole_study
from tests.support.stow_bodies import part10_file, stow_body


def test_of_a_large_object_no_more_than_a_boundary_is_held_back(bench: Bench) -> None:
    upload = Upload(bench.intake, center("alpha"), None, b"limit", 1 << 30)
    large = ct_slice(0)
    large.Rows, large.Columns = 4096, 4096
    large.PixelData = bytes(4096 * 4096 * 2)
    body = stow_body(part10_file(large))
    held = []
    for start in range(0, len(body), 65536):
        upload.feed(body[start : start + 65536])
        held.append(len(upload._reader._buffer))
    assert upload.end()[0].error is None
    assert max(held) < 100


@pytest.mark.slow
def test_whatever_a_body_is_made_of_it_is_answered_and_nothing_is_left_over(bench: Bench) -> None:
    whole = stow_body(
        part10_file(ct_slice(0)), part10_file(ct_slice(1)), part10_file(whole_study()[1])
    )
    before = {
        path for path in bench.folder.parent.rglob("*") if not path.is_relative_to(bench.folder)
    }
    answered = 0
    for seed in range(150):
        random = Random(seed)
        upload = Upload(bench.intake, center("alpha"), None, b"limit", 1 << 20)
        body = _mutated(whole, random)
        try:
            for start in range(0, len(body), step := random.randint(1, 2000)):
                upload.feed(body[start : start + step])
            answered += bool(store_response(upload.end()))
        except MultipartError:
            pass
        finally:
            upload.discard()
    assert answered > 30
    assert list((bench.archive.instances / ".tmp").iterdir()) == []
    assert {
        path for path in bench.folder.parent.rglob("*") if not path.is_relative_to(bench.folder)
    } == before
    assert all(read_meta(file.path) for file in bench.archive.files())


def _mutated(body: bytes, random: Random) -> bytes:
    """Return a body with some bytes changed, left out, doubled or put in."""
    changed = bytearray(body)
    for _ in range(random.randint(1, 4)):
        place, length = random.randrange(len(changed)), random.choice((1, 1, 2, 4, 64, 700))
        kind = random.randrange(4)
        if kind == 0:
            changed[place : place + length] = random.randbytes(length)
        elif kind == 1:
            del changed[place : place + length]
        elif kind == 2:
            changed[place:place] = changed[place : place + length]
        else:
            changed[place:place] = random.choice(
                (b"\r\n--limit\r\n", b"--limit--", b"../../", b"\xff" * 8)
            )
    return bytes(changed)
