"""Whether this machine and this user can listen where the settings say."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from dicom_node.settings.contradictions import Keys
from dicom_node.settings.settings_file import Fault, SettingsError, as_sentence, read_text

_FIRST_FREE_PORT = 1024


def check_listening(addresses: Mapping[Keys, tuple[str, int]], file: Path | None) -> None:
    """Refuse settings with which this machine cannot listen; asked by who is about to.

    Raises
    ------
    SettingsError
        If an address is not this machine's, or this user may not use a port.
    """
    if faults := list(listening_faults(addresses)):
        raise SettingsError(as_sentence(faults, file, read_text(file) if file else ""))


def listening_faults(addresses: Mapping[Keys, tuple[str, int]]) -> Iterator[Fault]:
    """Yield a fault for each address that is not this machine's, or that this user may not use. A
    port that another program has is none: it may let go of it.

    Parameters
    ----------
    addresses : mapping of tuple to (str, int)
        Host and port, by the key of the port.
    """
    for keys, (host, port) in addresses.items():
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with closing(socket.socket(family, kind, protocol)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except socket.gaierror:
            yield Fault(_host_of(keys), f"The name {host} is not known on this machine.")
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                yield Fault(
                    _host_of(keys),
                    f"{host} is not an address of this machine: expected one of its own, or "
                    "0.0.0.0 for all of them.",
                )
            elif error.errno in (errno.EACCES, errno.EPERM):
                below = f"below {_FIRST_FREE_PORT} " if port < _FIRST_FREE_PORT else ""
                yield Fault(
                    keys,
                    f"This user may not listen on port {port}: ports {below}need "
                    "CAP_NET_BIND_SERVICE, so give it that, or take a port from "
                    f"{_FIRST_FREE_PORT} on.",
                )


def _host_of(keys: Keys) -> Keys:
    *table, port = keys
    prefix = str(port).removesuffix("port") if table == ["node"] else ""
    return (*table, f"{prefix}host")
