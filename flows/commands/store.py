"""The commands of ``python -m flows`` that read and keep the feature store, for a data manager or
statistician.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_store_commands(commands: Any) -> None:
    """Add ``query``, ``expectations``, ``codes``, ``compact``, ``remove-clinical``, ``store``."""
    query = commands.add_parser(
        "query",
        help=(
            "read features, scores, clinical records or findings from the feature store, at any "
            "version"
        ),
        description="Read the feature store. Everything in it is under pseudonyms.",
    )
    query.add_argument(
        "contents",
        choices=[
            "features",
            "imported",
            "scores",
            "certainty",
            "tissues",
            "clinical",
            "findings",
        ],
        help="what to read",
    )
    query.add_argument(
        "--center", action="append", default=[], help="only this centre; may be given several times"
    )
    query.add_argument(
        "--region",
        action="append",
        default=[],
        help="only features of this region: gtv, ring_6mm, deep …; as often",
    )
    query.add_argument(
        "--model",
        metavar="DIGEST",
        help="only scores, or certainty, by this model; the digest's beginning is enough",
    )
    query.add_argument(
        "--settings-digest", metavar="DIGEST", help="only features extracted with these settings"
    )
    query.add_argument("--network", metavar="DIGEST", help="only deep features of this network")
    query.add_argument(
        "--newest",
        action="store_true",
        help="of each patient only the content that was written last",
    )
    query.add_argument(
        "--version",
        action="append",
        default=[],
        metavar="[TABLE=]N",
        help=(
            "version of the table to read; features are read from two: --version radiomics=7 "
            "--version deep=3"
        ),
    )
    query.add_argument(
        "--as-of",
        metavar="WHAT",
        help="versions as of a time with its zone (2026-01-31T12:00Z), or those that a "
        "report.json, a report's folder or a bundle's folder names",
    )
    query.add_argument(
        "--format",
        choices=["table", "csv", "parquet", "jsonl"],
        help="default: by the suffix of --output, else table",
    )
    query.add_argument(
        "--output", type=Path, metavar="FILE", help="file to write; default: standard output"
    )
    query.set_defaults(command=_query)

    expectations = commands.add_parser(
        "expectations",
        help=(
            "write the pages on what was expected of the data: what was met, and which studies "
            "are not"
        ),
    )
    expectations.set_defaults(command=_expectations)

    codes = commands.add_parser(
        "codes", help="print deploy/guide/codes.md: every code, what is expected, and what follows"
    )
    codes.set_defaults(command=_codes, alone=True)

    compact = commands.add_parser(
        "compact",
        help=(
            "join the small files of the feature store, and remove versions that nobody needs "
            "any more"
        ),
    )
    compact.add_argument(
        "--keep-days",
        type=float,
        metavar="DAYS",
        help="also remove files that no version of so many days needs; versions that a report or "
        "bundle names stay. Without it, nothing is removed",
    )
    compact.add_argument(
        "--keep",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help=(
            "a report or bundle that is kept elsewhere and whose versions stay too; may be given "
            "several times"
        ),
    )
    compact.set_defaults(command=_compact)

    remove = commands.add_parser(
        "remove-clinical",
        help="remove clinical records that came under a wrong key or by mistake; this is recorded",
    )
    remove.add_argument("center", nargs="?", help="the centre, as the settings file names it")
    remove.add_argument(
        "patients", nargs="*", metavar="PATIENT", help="only these patients' records, by pseudonym"
    )
    remove.add_argument(
        "--without-study",
        action="store_true",
        help="instead: of patients of whom no study was received, as under a wrong key",
    )
    remove.add_argument(
        "--since",
        metavar="TIME",
        help="instead: those written since a time with its zone (2026-01-31T12:00Z)",
    )
    remove.add_argument("--all", action="store_true", help="instead: all records of the centre")
    remove.add_argument("--by", default="", metavar="NAME", help="who decides")
    remove.add_argument("--reason", default="", help="why; no patient's data")
    remove.add_argument(
        "--confirm", action="store_true", help="do it; without, it is only said what would go"
    )
    remove.add_argument(
        "--recorded", action="store_true", help="instead of a centre: list what was removed"
    )
    remove.set_defaults(command=_remove_clinical)

    store = commands.add_parser(
        "store", help="check whether the feature store is what it should be, and mend it"
    )
    actions = store.add_subparsers(required=True, metavar="action")
    check = actions.add_parser(
        "check",
        help=(
            "say what is wrong with the tables, which reports cannot be made again, and which "
            "studies the registry calls done that have no rows"
        ),
    )
    check.add_argument(
        "--repair",
        action="store_true",
        help=(
            "mend it, while nothing writes to the store: what was there is set aside in the "
            "tables' folders, and lost rows are made again"
        ),
    )
    check.set_defaults(command=_check_store)

    docs = actions.add_parser(
        "data-docs",
        help=(
            "run the suites on a study, or on a centre's clinical table and cohort, as Checkpoints "
            "of Great Expectations, and write their results and Data Docs"
        ),
    )
    about = docs.add_mutually_exclusive_group(required=True)
    about.add_argument("--study", metavar="KEY", help="the study's pseudonym, or its patient's")
    about.add_argument("--center", help="the centre, as the settings file names it")
    docs.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="folder of the project"
    )
    docs.set_defaults(command=_data_docs)


def _query(options: argparse.Namespace) -> int:
    # The store's libraries take seconds to import
    from flows.commands.query import query_store  # noqa: PLC0415

    return query_store(options)


def _codes(_options: argparse.Namespace) -> int:
    from flows.settings import ExpectationsTable  # noqa: PLC0415
    from validation_reports.expectation_pages.code_table import code_page  # noqa: PLC0415

    print(code_page(ExpectationsTable().quarantine), end="")
    return 0


def _expectations(_options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.data.check_expectations import write_expectation_pages  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    try:
        index, findings = write_expectation_pages(installation())
    except (FeatureStoreError, NodeError) as error:
        print(error, file=sys.stderr)
        return 1
    for center, of_center in findings.items():
        for finding in of_center:
            print(f"{center}: {finding.severity}: {finding.sentence}")
    print(index)
    return 0


def _compact(options: argparse.Namespace) -> int:
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.data.compact_store import CompactionError, compact_store  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    try:
        lines = compact_store(Settings.load(), options.keep_days, options.keep)
    except (FeatureStoreError, CompactionError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def _remove_clinical(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.data.remove_clinical import (  # noqa: PLC0415
        Unwanted,
        records_to_remove,
        removals_in_words,
        remove_clinical,
        would_be_removed,
    )
    from flows.installation import installation  # noqa: PLC0415
    from flows.named_versions import VersionsError, moment_of  # noqa: PLC0415

    work = installation()
    if (options.center is None) != options.recorded:
        print("Name a centre, or give --recorded: one of them.", file=sys.stderr)
        return 2
    try:
        if options.recorded:
            print("\n".join(removals_in_words(work) or ["No clinical record was removed."]))
            return 0
        since = None if options.since is None else moment_of(options.since)
        unwanted = Unwanted(options.patients, options.without_study, since, options.all)
        patients = records_to_remove(work, options.center, unwanted)
        if options.confirm:
            said = remove_clinical(work, options.center, patients, options.by, options.reason)
        else:
            kept = len(work.store.clinical_written(options.center)) - len(patients)
            said = would_be_removed(options.center, patients, kept)
    except (FeatureStoreError, NodeError, VersionsError) as error:
        print(error, file=sys.stderr)
        return 1
    print(said)
    return 0


def _check_store(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.data.check_store import (  # noqa: PLC0415
        repair_store,
        store_findings,
        unrepeatable,
    )
    from flows.installation import installation  # noqa: PLC0415
    from flows.named_versions import VersionsError  # noqa: PLC0415

    work = installation()
    try:
        if options.repair:
            for done in repair_store(work):
                print(done)
        found = store_findings(work)
        told = [] if found else unrepeatable(work)
    except (FeatureStoreError, NodeError, VersionsError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(found or [*told, "The store is what it should be."]))
    return 1 if found else 0


def _data_docs(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.data.gx_project import center_data_docs, study_data_docs  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    work = installation()
    try:
        if options.study:
            page = study_data_docs(work, options.study, options.output)
        else:
            page = center_data_docs(work, options.center, options.output)
    except (FeatureStoreError, NodeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(page)
    return 0
