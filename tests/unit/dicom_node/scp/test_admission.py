"""A centre's addresses are asked for whatever the socket calls them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicom_node.errors import IncidentKind
from dicom_node.network.pdu import APPLICATION_CONTEXT, AssociateRequest
from dicom_node.scp.admission import Rejection, admit
from tests.support.intake_bench import center

REQUEST = AssociateRequest(1, "ANNULUS", "ALPHA", b"", APPLICATION_CONTEXT, (), 0, {})


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("192.0.2.7", None),
        ("::ffff:192.0.2.7", None),
        ("198.51.100.7", IncidentKind.UNKNOWN_ADDRESS),
        ("::ffff:198.51.100.7", IncidentKind.UNKNOWN_ADDRESS),
    ],
)
def test_an_ipv4_peer_is_the_same_on_a_socket_for_both_versions(
    address: str, refusal: IncidentKind | None
) -> None:
    alpha = replace(center("alpha"), ae_titles=("ALPHA",), addresses=("192.0.2.0/24",))
    answer = admit(REQUEST, address, (alpha,), "ANNULUS", has_place=lambda _: True)
    assert (answer.kind if isinstance(answer, Rejection) else None) is refusal
