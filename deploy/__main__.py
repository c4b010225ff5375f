"""``python -m deploy up|down|status|supervise``: the whole system on this machine, without any
other service.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from deploy.local.first_use import ensure_secrets, ensure_settings
from deploy.local.installation import LocalInstallation, open_installation
from deploy.local.processes import ROOT, listens
from deploy.local.running import running_folder
from deploy.local.supervisor import AlreadyRunningError, Supervisor, SystemFolder
from dicom_node.durable_files import write_durably
from dicom_node.errors import NodeError
from dicom_node.registry.registry import Registry, open_registry
from dicom_node.settings import SECRETS_NAME, SETTINGS_VARIABLE, SettingsError, settings_file
from dicom_node.settings.environment import enter
from flows.own_server import CHANGED, has_same_text
from flows.portal.users import read_users
from flows.settings.notify import secret_faults

_READY_WITHIN_S = 300.0
_DOWN_WITHIN_S = 400.0
_PORTS_FREE_WITHIN_S = 20.0
_ASK_EVERY_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 not, 2 unusable settings."""
    commands = {"up": up, "down": down, "status": status, "supervise": supervise}
    parser = argparse.ArgumentParser(
        prog="python -m deploy", description="The whole system on this machine."
    )
    parser.add_argument(
        "command",
        choices=commands,
        help="up and down return when done; supervise stays (for systemd)",
    )
    parser.add_argument(
        "--settings", type=Path, help=f"TOML file (default: {SETTINGS_VARIABLE}, else annulus.toml)"
    )
    options = parser.parse_args(arguments)
    file = (options.settings or settings_file() or Path("annulus.toml")).absolute()
    try:
        return commands[options.command](file)
    except (SettingsError, AlreadyRunningError, NodeError) as error:
        print(error, file=sys.stderr)
        return 2


def up(file: Path) -> int:
    """Start everything in the background and return when it is ready."""
    if ensure_settings(file):
        print(
            f"{file.name}: made from the example; describe your centres in it, then make down and "
            "make up again."
        )
    if ensure_secrets(file.with_name(SECRETS_NAME), os.environ):
        print(f"{SECRETS_NAME}: made with a new pseudonym key; back it up with the archive.")
    enter(file)
    work = open_installation(file)
    if work.folder.supervisor_pid() is not None:
        print("The system is up already.")
        return status(file)
    if lacking := secret_faults(work.settings.notify, os.environ):
        raise SettingsError("\n".join(lacking))
    work.check_listening()
    _check_ports(work)
    work.folder.path.mkdir(parents=True, exist_ok=True)
    with work.folder.log.open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "deploy", "supervise", "--settings", str(file)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    print("Starting; the first start of the Prefect server takes half a minute.", flush=True)
    for what, ready in (
        ("the node takes associations", work.node_listens),
        ("the Prefect server answers", work.prefect_is_ready),
        ("the deployments are offered", work.has_deployments),
        ("the portal answers", work.portal_answers),
    ):
        if not _within(_READY_WITHIN_S, partial(_ready_or_ended, ready, supervisor)):
            print(
                f"Not within {_READY_WITHIN_S:.0f} s: {what}. See {work.folder.log}",
                file=sys.stderr,
            )
            return 1
        if supervisor.poll() is not None:
            print(
                f"The supervisor ended: {work.folder.last_log_line()} (log: {work.folder.log})",
                file=sys.stderr,
            )
            return 1
        print(f"{what[:1].upper()}{what[1:]}.", flush=True)
    return status(file)


def down(file: Path) -> int:
    """Stop everything, the studies under way first; whatever the settings file says by now."""
    folder, fault = _folder_of(file)
    pid = None if folder is None else folder.supervisor_pid()
    if folder is None or pid is None:
        print("The system is not up.")
        if fault is not None:
            print(fault, file=sys.stderr)
        return 0
    os.kill(pid, signal.SIGTERM)
    if not _within(_DOWN_WITHIN_S, lambda: folder.supervisor_pid() is None and not _runs(pid)):
        print(
            f"Process {pid} has not ended within {_DOWN_WITHIN_S:.0f} s. See {folder.log}",
            file=sys.stderr,
        )
        return 1
    print("Everything is stopped.")
    return 0


def _runs(pid: int) -> bool:
    """Say whether a process has not ended; one that nobody has waited for has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def status(file: Path) -> int:
    """Say what runs, what the studies wait for and where to look; 0 when every part runs."""
    folder, fault = _folder_of(file)
    is_up = folder is not None and folder.supervisor_pid() is not None
    states = folder.part_states() if folder is not None and is_up else []
    print(f"{'part':<12} {'process':>8}  {'since (UTC)':<20} {'restarts':>8}  last end")
    for one in states:
        print(
            f"{one.name:<12} {one.pid or '-':>8}  {one.since or '-':<20} {one.restarts:>8}  "
            f"{one.last_end or '-'}"
        )
    if not states:
        print("Nothing runs: make up starts it.")
    if fault is not None:
        print(fault)
    started_with = folder.settings if folder is not None and is_up else None
    if started_with is not None and started_with.exists():
        work = open_installation(file, started_with)
        if fault is None and not has_same_text(file, started_with):
            print(CHANGED.format(file.name))
    elif fault is None:
        work = open_installation(file)
    else:
        return 1
    _show_studies(work)
    for center in work.settings.centers():
        print(f"centre {center.name} ({center.role}): calls from {', '.join(center.ae_titles)}")
    if is_up:
        node = work.settings.node
        print(f"node         {node.ae_title} at {node.host}:{node.port}")
        print(
            f"Prefect UI   {work.prefect_url}"
            + ("" if work.prefect_is_ready() else "  (does not answer now)")
        )
        print(f"portal       {work.settings.portal_url()}{_who_may_look(work)}")
        print(f"log          {work.folder.log}")
        print("Prefect's own commands: .venv/bin/python -m flows prefect …")
    return 0 if is_up and fault is None and all(one.pid is not None for one in states) else 1


def supervise(file: Path) -> int:
    """Look after the parts until SIGTERM or SIGINT; each starts, and starts again, with the
    settings as they are now.
    """
    enter(file)
    work = open_installation(file)
    work.check_listening()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Supervisor(work.folder, work.parts(), work.running_environment(), ROOT) as supervisor:
        write_durably(work.folder.settings, file.read_bytes(), mode=0o600)
        supervisor.run(stop)
    return 0


def _folder_of(file: Path) -> tuple[SystemFolder | None, str | None]:
    """Return the folder of the system of a settings file, and what is wrong with the file."""
    try:
        settings = open_installation(file).folder
    except SettingsError as error:
        return running_folder(file), str(error)
    return running_folder(file) or settings, None


def _who_may_look(work: LocalInstallation) -> str:
    """Say how to make the first user, while there is none."""
    try:
        nobody = not read_users(work.settings.portal_folder())
    except SettingsError as error:
        return f"  ({error})"
    return (
        "  (nobody may look yet: .venv/bin/python -m flows portal-user add NAME)" if nobody else ""
    )


def _show_studies(work: LocalInstallation) -> None:
    node = work.settings.node
    if node.registry_url is None and not node.registry_file.exists():
        print("studies: none yet")
        return
    registry = open_registry(node)
    try:
        counts = Counter(str(study.state) for study in registry.studies.summaries())
        waiting = len(registry.deliveries.undelivered())
        notices = _notices(work, registry)
    finally:
        registry.close()
    print(
        "studies: "
        + (", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none yet")
    )
    print(f"reports waiting for delivery: {waiting}")
    print(f"notices: {notices}")


def _notices(work: LocalInstallation, registry: Registry) -> str:
    """Say how many are open, and who has not been told of what yet."""
    _, is_open = registry.notices.open(limit=1)
    waits = [
        f"{one.count} not told to {one.sink} yet" + (f" ({one.sentence})" if one.sentence else "")
        for one in registry.notice_sendings.untold()
    ]
    nobody = [] if work.settings.notify.to else ["only Prefect is told: [notify] names nobody"]
    return "; ".join([f"{is_open} open", *waits, *nobody])


def _check_ports(work: LocalInstallation) -> None:
    """Wait a little for the ports, which the parts of a supervisor that was killed may still
    hold.
    """

    def taken() -> list[str]:
        return [
            f"{host}:{port} ({setting})"
            for setting, (host, port) in work.ports().items()
            if listens(host, port)
        ]

    if not _within(_PORTS_FREE_WITHIN_S, lambda: not taken()):
        raise SettingsError(
            f"Another program listens on {', '.join(taken())}: stop it, or set another port in "
            f"{work.settings_file.name}."
        )


def _ready_or_ended(ready: Callable[[], bool], supervisor: subprocess.Popen[bytes]) -> bool:
    return ready() or supervisor.poll() is not None


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_ASK_EVERY_S)
    return True


if __name__ == "__main__":
    sys.exit(main())
