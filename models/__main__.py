"""Look at a frozen bundle: ``python -m models verify|show FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.bundle.erased_patients import erased_patients
from models.bundle.frozen_bundle import load, read_digest
from models.bundle.model_card import model_card
from models.errors import ModelError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default is the command line.

    Returns
    -------
    int
        0 when the bundle is sound, 1 when it is not; the reason is then one sentence on standard
        error.
    """
    parser = argparse.ArgumentParser(
        prog="python -m models", description="Check or show a frozen model bundle."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("verify", "check every file and print the digest"),
        ("show", "print the model card"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", type=Path)
        command.add_argument(
            "--digest", help="the digest that it must have; default: whatever its manifest gives"
        )
    chosen = parser.parse_args(arguments)
    try:
        bundle = load(chosen.folder, chosen.digest or read_digest(chosen.folder))
        erased = erased_patients(chosen.folder, bundle.digest)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [bundle.digest] if chosen.command == "verify" else model_card(bundle, erased)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
