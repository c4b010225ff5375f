"""One bad part of a body keeps none of the others from being stored."""

from __future__ import annotations

import pytest

from dicom_node.archive.part10 import FileMeta
from dicom_node.center import Center
from dicom_node.errors import NodeError
from dicom_node.intake import intake
from dicom_node.intake.refusals import status_of
from dicom_node.stow import upload
from dicom_node.stow.upload import Upload
from tests.support.intake_bench import Bench, center, ct_slice, encode
from tests.support.raw_values import CANNOT_BE, with_value
from tests.support.stow_bodies import part10_file, stow_body

SYNTAX = "1.2.840.10008.1.2.1"


def _answers(bench: Bench, *files: bytes, sender: Center | None = None) -> list[NodeError | None]:
    taken = Upload(bench.intake, sender or center("alpha"), None, b"limit", 1 << 20)
    taken.feed(stow_body(*files))
    try:
        return [one.error for one in taken.end()]
    finally:
        taken.discard()


def _file(index: int, tag: int, vr: str, value: bytes) -> bytes:
    dataset = ct_slice(index)
    meta = FileMeta(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), SYNTAX)
    return meta.header() + with_value(dataset, tag, vr, value)


def test_the_parts_beside_bad_ones_are_stored(bench: Bench) -> None:
    bad = [_file(number, *one) for number, one in enumerate(CANNOT_BE.values())]
    first, *refused, last = _answers(
        bench, part10_file(ct_slice(100)), *bad, part10_file(ct_slice(101))
    )
    assert (first, last) == (None, None)
    assert {status_of(one) for one in refused if one} <= {0xC000, 0xC001}
    assert None not in refused
    assert len(bench.registry.instances.paths()) == 2


@pytest.mark.parametrize("field", ["sop_class_uid", "sop_instance_uid", "transfer_syntax"])
@pytest.mark.parametrize("value", ["1." + "2" * 72, "1.2\0003", "../../etc", "", "1" * 60000])
def test_whatever_the_file_meta_information_says_the_next_part_is_stored(
    bench: Bench, field: str, value: str
) -> None:
    dataset = ct_slice(0)
    said = {
        "sop_class_uid": str(dataset.SOPClassUID),
        "sop_instance_uid": str(dataset.SOPInstanceUID),
        "transfer_syntax": SYNTAX,
    }
    file = FileMeta(**{**said, field: value}).header() + encode(dataset, SYNTAX)
    error, stored = _answers(bench, file, part10_file(ct_slice(1)))
    assert error is not None
    assert stored is None


@pytest.mark.parametrize("place", ["reading", "beginning"])
def test_an_error_that_nobody_foresaw_concerns_its_part_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    calls: list[int] = []
    module, name = (intake, "read_instance") if place == "reading" else (upload, "parse_meta")
    real = getattr(module, name)

    def once(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise TypeError("PATIENT^NAME")
        return real(*arguments)

    monkeypatch.setattr(module, name, once)
    error, stored = _answers(bench, part10_file(ct_slice(0)), part10_file(ct_slice(1)))
    assert error is not None
    assert (status_of(error), stored) == (0x0110, None)
    assert "PATIENT" not in str(error)
