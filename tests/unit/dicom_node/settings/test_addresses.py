"""Where this machine can listen, tried."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_node.settings import SettingsError
from dicom_node.settings.addresses import check_listening, listening_faults

KEYS = ("node", "operations_port")
DICOM_PORT, NOBODY = 104, 65534


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104
def test_an_address_of_this_machine_is_fine_even_while_another_program_has_the_port(
    host: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert list(listening_faults({KEYS: (host, port)})) == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (("node", "port"), ("node", "host")),
        (("node", "stow_port"), ("node", "stow_host")),
        (("system", "prefect_port"), ("system", "host")),
    ],
)
def test_an_address_of_another_machine_is_told_at_its_key(
    keys: tuple[str, str], named: tuple[str, str]
) -> None:
    (fault,) = listening_faults({keys: ("192.0.2.1", 11112)})
    assert fault.keys == named
    assert fault.sentence.startswith("192.0.2.1 is not an address of this machine")


def test_a_name_that_nobody_knows_is_told() -> None:
    (fault,) = listening_faults({KEYS: ("nobody.invalid", 11112)})
    assert fault.sentence == "The name nobody.invalid is not known on this machine."


@contextmanager
def _without_privileges() -> Iterator[None]:
    """Be nobody for a while, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= DICOM_PORT,
    reason="this machine lets everybody listen on every port",
)
def test_a_port_that_this_user_may_not_use_is_told() -> None:
    with _without_privileges():
        (fault,) = listening_faults({KEYS: ("127.0.0.1", DICOM_PORT)})
    assert fault.keys == KEYS
    assert fault.sentence.startswith(f"This user may not listen on port {DICOM_PORT}")


def test_all_are_refused_in_one_sentence_each(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text("[node]\nhost = '192.0.2.1'\n")
    check_listening({("node", "port"): ("127.0.0.1", 11112)}, file)
    with pytest.raises(SettingsError, match=r"line 2, node\.host: 192\.0\.2\.1 is not an address"):
        check_listening({("node", "port"): ("192.0.2.1", 11112)}, file)
