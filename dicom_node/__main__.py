"""The node's commands: ``python -m dicom_node [--settings FILE]
serve|status|incidents|reindex|who|echo|export|retrieve``.
"""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pydicom import config

from dicom_node.archive.key_check import check_key
from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center, ReturnDestination
from dicom_node.clock import utc_now
from dicom_node.errors import NodeError
from dicom_node.export.export import Exporter, export_studies
from dicom_node.log_format import configure_logging
from dicom_node.network.tls import client_context
from dicom_node.node import Node
from dicom_node.operations.operator_tables import incident_lines, study_lines
from dicom_node.operations.who import known_as, studies_behind
from dicom_node.registry.registry import Registry, open_registry
from dicom_node.scu.caller import Caller, destination_name, echo
from dicom_node.scu.list_retrieval import ListRetrieval, result_in_words
from dicom_node.scu.query_retrieve import Limits
from dicom_node.scu.study_list import read_list, results_of, tally
from dicom_node.settings import (
    NodeSettings,
    SettingsError,
    pseudonym_key,
    stow_tokens,
)
from dicom_node.settings.addresses import check_listening
from dicom_node.settings.contradictions import node_ports
from dicom_node.settings.environment import enter
from dicom_node.wording import counted

_log = logging.getLogger("dicom_node")

# A thread that comes back from the disk waits for the interpreter no longer than this.
SWITCH_INTERVAL_S = 0.0005


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; by default the process's.

    Returns
    -------
    int
        0 when done, 1 when it failed, 2 when the settings cannot be used.
    """
    options = _parser().parse_args(arguments)
    config.settings.reading_validation_mode = config.IGNORE  # its warnings quote values
    try:
        file = enter(options.settings)
        settings = NodeSettings.load(file)
        configure_logging(settings.node.log_format)
        return _run(options, settings, file)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (NodeError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dicom_node", description="The DICOM node of Annulus."
    )
    parser.add_argument(
        "--settings", type=Path, help="the settings file (default: ANNULUS_SETTINGS, annulus.toml)"
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="receive, and deliver reports (the default)")
    commands.add_parser("status", help="which studies are here, and what they wait for")
    commands.add_parser("incidents", help="what went wrong")
    commands.add_parser("reindex", help="bring the registry in line with the archive's files")
    export = commands.add_parser(
        "export", help="write complete studies without identity (PS3.15 annex E) for research"
    )
    export.add_argument("folder", type=Path, help="where the files go; outside the node's folder")
    export.add_argument("--center", help="only this centre's studies")
    export.add_argument(
        "--study",
        action="append",
        default=[],
        help="only this study, by its pseudonym or its patient's; repeatable",
    )
    export.add_argument(
        "--keep-structure",
        action="append",
        default=[],
        metavar="NAME",
        help="a structure's name that may stay",
    )
    export.add_argument(
        "--trust-derived",
        action="store_true",
        help="derived images that do not say so have no text burned in",
    )
    who = commands.add_parser(
        "who", help="say which patient a pseudonym stands for, or the other way; this is recorded"
    )
    asked = who.add_mutually_exclusive_group(required=True)
    asked.add_argument("pseudonym", nargs="?", help="a study's or a patient's")
    asked.add_argument("--patient-id", metavar="ID", help="the Patient ID (0010,0020)")
    who.add_argument("--center", help="with --patient-id: only this centre")
    retrieve = commands.add_parser(
        "retrieve", help="fetch a list of patients or studies from a centre's PACS"
    )
    retrieve.add_argument("center", help="the centre's name")
    retrieve.add_argument(
        "list", type=Path, help="a CSV; its results go into a file beside it, LIST.results.csv"
    )
    commands.add_parser("echo", help="verify the AEs of a centre that are called").add_argument(
        "center", help="the centre's name"
    )
    return parser


def _run(options: argparse.Namespace, settings: NodeSettings, file: Path | None) -> int:
    match options.command:
        case "status" | "incidents":
            registry = open_registry(settings.node)
            try:
                _print(_lines(options.command, registry))
            finally:
                registry.close()
            return 0
        case "reindex":
            node = Node(settings, pseudonym_key())
            try:
                done = node.reindex()
            finally:
                node.stop()
            words = (
                f"{counted(done.added, 'file')} indexed, "
                f"{counted(done.missing, 'entry', 'entries')} without a file forgotten, "
                f"{counted(done.set_aside, 'file')} moved to the quarantine."
            )
            _print([words])
            return 0
        case "export" | "who" | "retrieve" | "echo":
            commands = {"export": _export, "who": _who, "retrieve": _retrieve, "echo": _echo}
            return commands[options.command](options, settings)
        case _:
            return _serve(settings, file)


def _serve(settings: NodeSettings, file: Path | None) -> int:
    if not settings.center:
        raise SettingsError(
            "The settings name no centre, so that nobody could send: add a [center.NAME] table."
        )
    check_listening(node_ports(settings.node), file)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    node = Node(settings, pseudonym_key(), tokens=stow_tokens(settings.centers()))
    wake = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: wake.set())
    try:
        node.start()
        gc.collect()
        gc.freeze()  # what is loaded stays: collections need not look through it for each object
        record(AuditEvent.NODE_STARTED, ae_title=settings.node.ae_title)
        names = ", ".join(settings.center)
        _log.info(
            "The DICOM node is ready: AE %s at %s:%s, centres %s.",
            settings.node.ae_title,
            settings.node.host,
            node.port,
            names,
        )
        if node.stow_address is not None:
            _log.info("STOW-RS listens at %s.", node.stow_address)
        sys.stderr.flush()
        while not wake.wait(timeout=0.5):
            pass
    finally:
        node.stop()
    record(AuditEvent.NODE_STOPPED, ae_title=settings.node.ae_title)
    _log.info("The DICOM node has stopped.")
    return 0


def _export(options: argparse.Namespace, settings: NodeSettings) -> int:
    folder: Path = options.folder
    if folder.resolve().is_relative_to(settings.node.folder.resolve()):
        raise SettingsError(
            f"The export would go into the node's own folder {settings.node.folder}: name another."
        )
    key = pseudonym_key()
    check_key(settings.node.folder, key)
    registry = open_registry(settings.node)
    try:
        exporter = Exporter(
            registry, key, folder, tuple(options.keep_structure), options.trust_derived
        )
        done, refused = export_studies(exporter, tuple(options.study), options.center)
    finally:
        registry.close()
    _print(
        [
            f"{counted(len(done), 'study', 'studies')} written to {folder}, {len(refused)} not.",
            *refused,
        ]
    )
    return 1 if refused else 0


def _who(options: argparse.Namespace, settings: NodeSettings) -> int:
    key, folder = pseudonym_key(), settings.node.folder
    check_key(folder, key)
    registry = open_registry(settings.node)
    try:
        studies = registry.studies.summaries()
        if options.patient_id is None:
            _print(studies_behind(studies, options.pseudonym, folder / "archive"))
        else:
            centers = [options.center] if options.center else list(settings.center)
            _print(known_as(studies, key, options.patient_id, centers))
    finally:
        registry.close()
    return 0


def _retrieve(options: argparse.Namespace, settings: NodeSettings) -> int:
    center = next((one for one in settings.centers() if one.name == options.center), None)
    if center is None:
        known = ", ".join(settings.center)
        mend = f"expected one of {known}." if known else "add a [center.NAME] table."
        raise SettingsError(f"The settings have no centre {options.center}: {mend}")
    key, folder = pseudonym_key(), settings.node.folder
    check_key(folder, key)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    lines = read_list(options.list)
    registry = open_registry(settings.node)
    try:
        fetching = ListRetrieval(
            registry.retrievals,
            Caller(settings.node.ae_title, client_context(settings.node.tls)),
            center,
            folder / "archive",
            key,
            stopping,
            utc_now,
            Limits(),
        )
        with results_of(options.list) as results:
            for one in fetching.run(lines, results):
                print(f"{result_in_words(one)} [{counted(len(lines), 'line')} in all]", flush=True)
            ended = tally(lines, results)
    finally:
        registry.close()
    _print([ended.sentence])
    return 0 if ended.is_done else 1


def _echo(options: argparse.Namespace, settings: NodeSettings) -> int:
    name = options.center
    called = {one.name: _called(one) for one in settings.centers()}
    if not called.get(name):
        known = ", ".join(one for one, entities in called.items() if entities)
        mend = f"expected one of {known}." if known else "give it a return_to or a query_from."
        raise SettingsError(f"Centre {name} has no AE to call in the settings: {mend}")
    caller = Caller(settings.node.ae_title, client_context(settings.node.tls))
    for one in called[name]:
        echo(one, caller)
        _print([f"{destination_name(one)} answers."])
    return 0


def _called(center: Center) -> tuple[ReturnDestination, ...]:
    """Return the AEs of a centre that are called, each once."""
    asked = center.query_from.called if center.query_from else None
    return tuple(dict.fromkeys(one for one in (center.return_to, asked) if one is not None))


def _lines(command: str, registry: Registry) -> list[str]:
    if command == "incidents":
        return incident_lines(registry.incidents.latest())
    return study_lines(
        registry.studies.summaries(), registry.outbox.counts(), registry.deliveries.undelivered()
    )


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
