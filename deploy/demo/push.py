"""The demonstration's PACS, pushing: ``python -m deploy.demo.push PORT CALLING CALLED
FOLDER...``.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage
from pynetdicom import AE, evt

from dicom_node.scu.caller import keep_answers
from feature_store.wording import counted, were

ATTEMPTS = 5
PAUSE_S = 1.0
ANSWER_S = 15.0
SUCCESS = 0x0000


def push(folders: Sequence[Path], port: int, calling: str, called: str) -> int:
    """Send every DICOM file of some studies to an AE of this machine, as a PACS does: what is not
    taken is sent again.

    Parameters
    ----------
    folders : sequence of Path
        One per study; files go in the order of their names.
    port : int
        Where the receiving AE listens.
    calling, called : str
        AE titles of sender and receiver.

    Returns
    -------
    int
        Number of instances that were not answered with success on any of `ATTEMPTS` associations.
    """
    ae = AE(ae_title=calling)
    ae.dimse_timeout = ANSWER_S
    for storage in (CTImageStorage, RTStructureSetStorage):
        ae.add_requested_context(storage, ExplicitVRLittleEndian)
    waiting = [path for folder in folders for path in sorted(folder.glob("*.dcm"))]
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_S)
        association = ae.associate(
            "127.0.0.1", port, ae_title=called, evt_handlers=[(evt.EVT_CONN_OPEN, _without_delay)]
        )
        keep_answers(association)
        waiting = [path for path in waiting if not _is_taken(association, path)]
        if association.is_established:
            association.release()
        if not waiting:
            break
    return len(waiting)


def _is_taken(association: Any, path: Path) -> bool:
    """Send one file; an association that has ended, or ends meanwhile, takes nothing."""
    try:
        return bool(
            association.is_established and association.send_c_store(path).get("Status") == SUCCESS
        )
    except RuntimeError:  # pynetdicom's word for one that has just ended
        return False


def _without_delay(event: Any) -> None:
    """Switch Nagle's algorithm off: it would hold back the end of each object for 40 ms."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main() -> int:
    """Push some studies; return 1 when an instance was refused."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.push", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("calling")
    parser.add_argument("called")
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    refused = push(options.folders, options.port, options.calling, options.called)
    if refused:
        print(f"{counted(refused, 'instance')} {were(refused)} refused.", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
