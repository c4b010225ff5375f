"""The command ``python -m flows erase``: who withdraws is taken out of the installation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_erasure_commands(commands: Any) -> None:
    """Add ``erase``."""
    erase = commands.add_parser(
        "erase",
        help=(
            "erase a person: say where the person is found, and with --confirm take the person out "
            "of everything and certify it"
        ),
    )
    erase.add_argument(
        "patient",
        nargs="?",
        metavar="PATIENT",
        help="the patient's pseudonym, or with --center the Patient ID",
    )
    erase.add_argument("--center", help="the centre, as the settings file names it")
    erase.add_argument("--by", metavar="NAME", help="who decides")
    erase.add_argument("--reason", help="why; it stays in the list. No patient's data")
    erase.add_argument(
        "--confirm", action="store_true", help="do it; without, it is only said what would be done"
    )
    erase.add_argument(
        "--again",
        action="store_true",
        help=(
            "instead of a patient: finish what was begun, and erase again who came back with a "
            "back-up"
        ),
    )
    erase.add_argument(
        "--verify",
        type=Path,
        metavar="CERTIFICATE",
        help="instead of a patient: check that this installation has signed a certificate, and "
        "print it",
    )
    erase.set_defaults(command=_erase)


_WHAT_FOLLOWS = (
    "With --confirm the patient is put on the list of erased people, of whom nothing is taken any "
    "more, and all of this is removed for good; reports keep their numbers."
)


def _erase(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from dicom_node.settings import SettingsError  # noqa: PLC0415
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.erasure.erase import certificate_in_words  # noqa: PLC0415
    from flows.erasure.ledger import verified  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    ways = [options.patient is not None, options.again, options.verify is not None]
    if sum(ways) != 1:
        raise SettingsError("Name a patient, or give --again or --verify: one of them.")
    if options.patient is not None and not (options.by and options.reason):
        raise SettingsError("An erasure needs --by, who decides, and --reason, why.")
    try:
        key = installation().pseudonym_key()
        if options.verify is not None:
            lines = certificate_in_words(options.verify, verified(options.verify, key))
        elif options.again:
            lines = _again(key)
        else:
            lines = _one(options, key)
    except (NodeError, FeatureStoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def _again(key: bytes) -> list[str]:
    from flows.erasure.erase import certificate_in_words, erasure_in, go_on  # noqa: PLC0415
    from flows.erasure.ledger import verified  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    done = go_on(erasure_in(installation(), key))
    lines = [
        line
        for ledger in done
        for line in certificate_in_words(ledger.certificate, verified(ledger.certificate, key))
    ]
    return lines or ["Nothing of anybody who was erased is here, and no erasure waits to go on."]


def _one(options: argparse.Namespace, key: bytes) -> list[str]:
    from flows.erasure.erase import (  # noqa: PLC0415
        certificate_in_words,
        erase_person,
        erasure_in,
    )
    from flows.erasure.ledger import unfinished, verified  # noqa: PLC0415
    from flows.erasure.person import find_person, found_in_words  # noqa: PLC0415
    from flows.erasure.places import OUTSIDE  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    at = erasure_in(installation(), key)
    if unfinished(at.erased):
        return (
            _again(key)
            if options.confirm
            else [
                "An erasure was begun and is not finished: `python -m flows erase --again` goes on."
            ]
        )
    person = find_person(at.work, key, options.patient, options.center)
    if not options.confirm:
        return [
            f"Patient {person.patients[0]} of centre {person.center} is found here:",
            *(f"- {sentence}" for sentence in found_in_words(at.work, key, person)),
            _WHAT_FOLLOWS,
            "What lies outside the installation, and no command reaches:",
            *(f"- {place}" for place in OUTSIDE),
        ]
    ledger = erase_person(at, person, options.by, options.reason)
    return certificate_in_words(ledger.certificate, verified(ledger.certificate, key))
