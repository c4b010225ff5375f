"""Storage commitment: datasets of requests and reports read back as they were written."""

from __future__ import annotations

import pytest

from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicom_node.network.commitment_messages import (
    CommitmentReport,
    CommitmentRequest,
    Reference,
    encode_dataset,
    parse_report,
    parse_request,
    request_dataset,
)

KNOWN = Reference(CT_IMAGE_STORAGE, "1.2.1.1.1")
UNKNOWN = Reference(CT_IMAGE_STORAGE, "1.2.3.4.5.6")


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
def test_a_report_reads_back_as_it_was_written(transfer_syntax: str) -> None:
    report = CommitmentReport("1.2.9", (KNOWN,), ((UNKNOWN, 0x0110),))
    assert parse_report(report.dataset(transfer_syntax), transfer_syntax) == report
    assert report.event_type == 2
    assert parse_request(
        CommitmentReport("1.2.9", (KNOWN,), ()).dataset(transfer_syntax), transfer_syntax
    ) == CommitmentRequest("1.2.9", (KNOWN,))


def test_an_instance_that_is_named_again_and_again_is_asked_about_once() -> None:
    asked = encode_dataset(
        request_dataset("1.2.9", (KNOWN, UNKNOWN, KNOWN, KNOWN)), IMPLICIT_VR_LITTLE_ENDIAN
    )
    assert parse_request(asked, IMPLICIT_VR_LITTLE_ENDIAN).references == (KNOWN, UNKNOWN)


def test_too_many_references_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.network.commitment_messages._MOST_REFERENCES", 1)
    asked = encode_dataset(request_dataset("1.2.9", (KNOWN, UNKNOWN)), IMPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(ValueError, match="More than 1 references: ask in several requests"):
        parse_request(asked, IMPLICIT_VR_LITTLE_ENDIAN)
