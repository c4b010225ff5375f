"""Who is taken for a centre over HTTP, and who is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicom_node.center import Center
from dicom_node.certificate import PeerCertificate
from dicom_node.stow.callers import Callers, Denial
from tests.support.intake_bench import center

TOKEN, OTHER = "t" * 32, "u" * 32
CERTIFICATE = PeerCertificate("ab" * 32, frozenset({"pacs.gamma.example"}))
ALPHA = replace(center("alpha"), addresses=("192.0.2.0/24",))
BETA = replace(center("beta"), certificates=(":".join(["AB"] * 32),))
GAMMA = replace(center("gamma"), certificates=("PACS.gamma.example",))


@pytest.mark.parametrize(
    ("authorization", "certificate", "address", "expected"),
    [
        (f"Bearer {TOKEN}", None, "192.0.2.9", "alpha"),
        (f"bearer  {TOKEN} ", None, "::ffff:192.0.2.9", "alpha"),
        (f"Bearer {TOKEN}", None, "198.51.100.1", (403, "unknown-address")),
        (f"Bearer {TOKEN}x", None, "192.0.2.9", (401, "unknown-caller")),
        (f"Basic {TOKEN}", None, "192.0.2.9", (401, "unknown-caller")),
        ("Bearer ü", CERTIFICATE, "192.0.2.9", (401, "unknown-caller")),
        (None, None, "192.0.2.9", (401, "unknown-caller")),
        (f"Bearer {OTHER}", None, "192.0.2.9", (403, "unknown-certificate")),
        (f"Bearer {OTHER}", CERTIFICATE, "192.0.2.9", "beta"),
        (None, CERTIFICATE, "192.0.2.9", "beta"),
        (None, PeerCertificate("00" * 32, CERTIFICATE.names), "192.0.2.9", "gamma"),
        (
            None,
            PeerCertificate("00" * 32, frozenset({"other"})),
            "192.0.2.9",
            (401, "unknown-caller"),
        ),
    ],
)
def test_a_caller_is_a_centre_or_is_denied(
    authorization: str | None,
    certificate: PeerCertificate | None,
    address: str,
    expected: str | tuple[int, str],
) -> None:
    callers = Callers((ALPHA, BETA, GAMMA), {"alpha": TOKEN, "beta": OTHER})
    answer = callers.identify(authorization, certificate, address)
    if isinstance(answer, Denial):
        assert (answer.status, answer.kind) == expected
        assert TOKEN not in answer.sentence
    else:
        assert isinstance(answer, Center)
        assert answer.name == expected


def test_a_port_that_nobody_could_use_is_an_error() -> None:
    with pytest.raises(ValueError, match="ANNULUS_STOW_TOKEN_NAME"):
        Callers((ALPHA,), {})
