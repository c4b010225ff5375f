"""The commands of ``python -m flows`` that validate the pinned model."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from flows.commands.ended import ended


def add_validation_commands(commands: Any) -> None:
    """Add ``validate`` and ``validate-center``."""
    validate = commands.add_parser(
        "validate", help="write the validation report of one or more centres"
    )
    validate.add_argument(
        "centers", nargs="*", metavar="center", help="centres; several are also pooled"
    )
    validate.add_argument(
        "--name", default="ad-hoc", help="name of the report (default: %(default)s)"
    )
    validate.add_argument(
        "--combat",
        action="store_true",
        help=(
            "align each centre's features with the training centre's by ComBat first; the report "
            "says so"
        ),
    )
    validate.add_argument(
        "--as-of",
        metavar="WHAT",
        help=(
            "a report's folder or report.json: make it again from what it read, without naming "
            "centres; or a time with its zone (2026-01-31T12:00Z): validate what was there then"
        ),
    )
    validate.set_defaults(command=_validate)

    center = commands.add_parser(
        "validate-center", help="write the report of one centre, and send it to its PACS"
    )
    center.add_argument(
        "center",
        help="the centre; its qa_patient_id in the settings says under which ID its PACS keeps it",
    )
    center.set_defaults(command=_validate_center, asks_prefect=True)


def _validate(options: argparse.Namespace) -> int:
    from flows.installation import installation  # noqa: PLC0415
    from flows.own_server import why_no_server  # noqa: PLC0415
    from flows.validation.as_of import query_again, report_file  # noqa: PLC0415
    from flows.validation.cohort_query import CohortQuery  # noqa: PLC0415
    from flows.validation.validate import validate_cohort  # noqa: PLC0415
    from validation_reports.errors import CohortError  # noqa: PLC0415

    file = report_file(installation(), options.as_of) if options.as_of else None
    if bool(options.centers) == (file is not None):
        print(
            "Name the centres to validate, or with --as-of a report that is there to be made "
            "again; not both.",
            file=sys.stderr,
        )
        return 2
    if sentence := why_no_server():
        print(sentence, file=sys.stderr)
        return 1
    if file is None:
        query = CohortQuery(
            name=options.name,
            centers=options.centers,
            combat=options.combat,
            as_of=options.as_of,
        )
    else:
        try:
            query = query_again(file)
        except CohortError as error:
            print(error, file=sys.stderr)
            return 1
    return ended(validate_cohort(query, return_state=True))


def _validate_center(options: argparse.Namespace) -> int:
    from flows.validation.validate import validate_center  # noqa: PLC0415

    return ended(validate_center(options.center, return_state=True))
