"""The file handles that the node may need at once, so that no door takes those of another."""

from __future__ import annotations

import resource
from typing import Final

from dicom_node.wording import counted

_OWN: Final = 128  # database, logs, threads that deliver, files that are verified
_FOR_EACH_OBJECT: Final = 2  # its connection and its temporary file


def budget(associations: int, web_connections: int, destinations: int) -> int:
    """Return how many file handles the node needs when everything that is allowed happens at once.

    Parameters
    ----------
    associations : int
        Connections over DIMSE, those without an association yet included.
    web_connections : int
        Connections over HTTP.
    destinations : int
        AEs that reports and commitments go to.
    """
    objects = associations + web_connections
    return _OWN + _FOR_EACH_OBJECT * (objects + destinations)


def reserve(count: int) -> None:
    """Let this process open so many files at once.

    Raises
    ------
    ValueError
        If the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ValueError(
            f"The node may need {counted(count, 'open file')} at once, and this process may have "
            f"{hard}: raise the limit (LimitNOFILE of systemd, ulimit -n), or lower "
            "maximum_associations."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
