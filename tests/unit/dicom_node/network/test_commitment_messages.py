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
    parse_report,
    parse_request,
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
