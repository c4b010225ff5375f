"""``python -m flows``: the commands of a data manager and a biostatistician."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from dicom_node.settings import SETTINGS_VARIABLE, SettingsError
from flows.commands.erasure import add_erasure_commands
from flows.commands.model import add_model_commands
from flows.commands.operator import add_operator_commands
from flows.commands.prefect_server import add_prefect_server_command
from flows.commands.store import add_store_commands
from flows.commands.system import add_system_commands
from flows.commands.validation import add_validation_commands


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 refused with a sentence, 2 unusable settings
    or arguments.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for talkative in ("httpx", "httpcore", "great_expectations", "numexpr"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    if options.settings is not None:
        os.environ[SETTINGS_VARIABLE] = str(options.settings.absolute())
    try:
        return int(options.command(options))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


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
    return parser


if __name__ == "__main__":
    sys.exit(main())
