"""``python -m flows``: the commands of a data manager and a biostatistician."""

from __future__ import annotations

import argparse
import errno
import logging
import sys
from pathlib import Path
from typing import Final

from dicom_node.errors import NodeError
from dicom_node.settings import SETTINGS_VARIABLE, SettingsError
from feature_store.errors import FeatureStoreError
from flows.commands.erasure import add_erasure_commands
from flows.commands.model import add_model_commands
from flows.commands.notify import add_notify_command
from flows.commands.operator import add_operator_commands
from flows.commands.portal import add_portal_commands
from flows.commands.prefect_server import add_prefect_server_command
from flows.commands.store import add_store_commands
from flows.commands.system import add_system_commands
from flows.commands.validation import add_validation_commands
from flows.runs.outages import say_outages_in_one_line
from models.errors import ModelError

_OF_THE_DISK: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO))
_OF_A_FILE: Final = frozenset((errno.EACCES, errno.EPERM))
"""Of a port too, which has no file name."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 refused with a sentence, 2 unusable settings
    or arguments.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    say_outages_in_one_line()
    for talkative in (
        "httpx",
        "httpcore",
        "great_expectations",
        "numexpr",
        "weasyprint",
        "fontTools",
    ):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        return _run(options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (NodeError, FeatureStoreError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        if isinstance(error, OSError) and _is_of_the_disk(error):
            where = f" {error.filename}" if error.filename else ""
            print(
                f"The disk did not do what the command asked for ({error.strerror}{where}): make "
                "space, or let this user write there, and give the command again.",
                file=sys.stderr,
            )
            return 1
        if not _is_of_the_server(error):
            raise
        print(
            f"The Prefect server stopped answering ({type(error).__name__}): make status says "
            "what runs; give the command again.",
            file=sys.stderr,
        )
        return 1


def _run(options: argparse.Namespace) -> int:
    """Run a command in the environment of the installation, if it is about one."""
    if not getattr(options, "alone", False):
        from flows.own_server import enter_installation, why_no_server  # noqa: PLC0415 - seconds

        enter_installation(options.settings)
        if getattr(options, "asks_prefect", False) and (sentence := why_no_server()):
            print(sentence, file=sys.stderr)
            return 1
    return int(options.command(options))


def _is_of_the_disk(error: OSError) -> bool:
    return error.errno in _OF_THE_DISK or (error.errno in _OF_A_FILE and error.filename is not None)


def _is_of_the_server(error: Exception) -> bool:
    """Say whether an error is that the Prefect server went away."""
    import httpx  # noqa: PLC0415 - the commands that need it have it

    return isinstance(error, httpx.TransportError) or (
        isinstance(error, RuntimeError) and str(error).startswith("Failed to reach API")
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows", description="Annulus: flows and their dispatcher"
    )
    parser.add_argument(
        "--settings", type=Path, help=f"TOML file (default: {SETTINGS_VARIABLE}, else annulus.toml)"
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    add_system_commands(commands)
    add_prefect_server_command(commands)
    add_model_commands(commands)
    add_validation_commands(commands)
    add_store_commands(commands)
    add_operator_commands(commands)
    add_erasure_commands(commands)
    add_portal_commands(commands)
    add_notify_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
