"""A centre's addresses are asked for whatever the socket calls them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicom_node.center import Center
from dicom_node.errors import IncidentKind
from dicom_node.network.pdu import APPLICATION_CONTEXT, AssociateRequest
from dicom_node.scp.admission import Rejection, admit
from tests.support.intake_bench import center

REQUEST = AssociateRequest(1, "ANNULUS", "ALPHA", b"", APPLICATION_CONTEXT, (), 0, {})


@pytest.mark.parametrize(
    ("address", "may_come_in"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("198.51.100.7", False),
        ("::ffff:198.51.100.7", False),
    ],
)
def test_an_ipv4_peer_is_the_same_on_a_socket_for_both_versions(
    address: str, may_come_in: bool
) -> None:
    alpha = replace(center("alpha"), ae_titles=("ALPHA",), addresses=("192.0.2.0/24",))
    answer = admit(REQUEST, address, (alpha,), "ANNULUS", is_full=False)
    assert isinstance(answer, Center) == may_come_in
    if isinstance(answer, Rejection):
        assert answer.kind is IncidentKind.UNKNOWN_ADDRESS
