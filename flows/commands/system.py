"""The commands of ``python -m flows`` that run the system: dispatcher, deployments, clinical
tables, overview.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from flows.commands.ended import ended


def add_system_commands(commands: Any) -> None:
    """Add ``dispatch``, ``serve``, ``deploy``, ``prefect``, ``deployments``, ``import-clinical``
    and ``overview``.
    """
    dispatch = commands.add_parser(
        "dispatch", help="score what the node hands over, in warm processes, until stopped"
    )
    dispatch.set_defaults(command=_dispatch)

    serve = commands.add_parser(
        "serve", help="serve the deployments for `prefect deployment run` and the Prefect UI"
    )
    _add_take_over(serve)
    serve.set_defaults(command=_serve, asks_prefect=True)

    deploy = commands.add_parser("deploy", help="register the deployments for a work pool")
    deploy.add_argument("pool", help="name of the work pool")
    deploy.add_argument(
        "--checkout",
        type=Path,
        default=Path.cwd(),
        help="this software's folder where the workers run (default: here)",
    )
    _add_take_over(deploy)
    deploy.set_defaults(command=_deploy, asks_prefect=True)

    prefect = commands.add_parser(
        "prefect",
        help="Prefect's own commands, at this installation's server: prefect deployment run …",
    )
    prefect.add_argument("arguments", nargs=argparse.REMAINDER, help="as `prefect` takes them")
    prefect.set_defaults(command=_prefect, asks_prefect=True)

    deployments = commands.add_parser("deployments", help="print the deployments as a prefect.yaml")
    deployments.add_argument(
        "--pool", default="annulus", help="name of the work pool (default: %(default)s)"
    )
    deployments.set_defaults(command=_deployments)

    clinical = commands.add_parser(
        "import-clinical", help="read a centre's clinical table into the feature store"
    )
    clinical.add_argument("center", help="name of the centre in the settings file")
    clinical.add_argument(
        "csv",
        type=Path,
        nargs="?",
        help=(
            "the table, CSV or Excel (.xlsx); patient identifiers are replaced by pseudonyms "
            "(default: what lies in "
            "the drop folder)"
        ),
    )
    clinical.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="CODE",
        help=(
            "what a refusal called implausible by this code is right in this table; may be given "
            "several times"
        ),
    )
    clinical.add_argument(
        "--check",
        dest="asks_prefect",  # what is only looked at needs no server
        action="store_false",
        help="only show what would be read, and what is wrong with it; keep nothing",
    )
    clinical.set_defaults(command=_import_clinical, asks_prefect=True)

    features = commands.add_parser(
        "import-features",
        help="read radiomic features that PyRadiomics has made elsewhere into the feature store",
    )
    features.add_argument("center", help="name of the centre in the settings file")
    features.add_argument(
        "tables",
        nargs="+",
        metavar="[REGION=]FILE",
        help=(
            "PyRadiomics' tables (CSV), each after its region, such as gtv=FILE, or alone where a "
            "column names the regions; tables of one region are put side by side; patient "
            "identifiers are replaced by pseudonyms"
        ),
    )
    features.add_argument(
        "--stated",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=(
            "what the tables do not say of how the features were made, such as bin_width=25, or "
            "bin_width=unknown; may be given several times"
        ),
    )
    features.add_argument(
        "--patient-column",
        metavar="NAME",
        help="the column of the Patient IDs, where its name does not tell",
    )
    features.set_defaults(command=_import_features, asks_prefect=True)

    overview = commands.add_parser(
        "overview", help="what arrived, was scored, quarantined and delivered, per centre"
    )
    overview.set_defaults(command=_overview, asks_prefect=True)


def _add_take_over(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--take-over",
        action="store_true",
        help="the Prefect server is this installation's from now on, though another one's "
        "deployments are on it",
    )


def _prefect(options: argparse.Namespace) -> int:
    from flows.commands.prefect_commands import run_prefect  # noqa: PLC0415 - takes seconds

    return run_prefect(options.arguments)


def _dispatch(_options: argparse.Namespace) -> int:
    # Prefect takes seconds to import
    from flows.dispatch.dispatcher import dispatch  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    dispatch(installation())
    return 0


def _serve(options: argparse.Namespace) -> int:
    from flows.dispatch.claim import claim_server  # noqa: PLC0415
    from flows.dispatch.deployments import serve_deployments  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    claim_server(take_over=options.take_over)
    serve_deployments(Settings.load())
    return 0


def _deploy(options: argparse.Namespace) -> int:
    from flows.dispatch.claim import claim_server  # noqa: PLC0415
    from flows.dispatch.deployments import register_deployments  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    claim_server(take_over=options.take_over)
    for name in register_deployments(Settings.load(), options.pool, options.checkout.absolute()):
        print(name)
    return 0


def _deployments(options: argparse.Namespace) -> int:
    from flows.dispatch.deployments import prefect_yaml  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    print(prefect_yaml(Settings.load(), options.pool), end="")
    return 0


def _import_clinical(options: argparse.Namespace) -> int:
    if not options.asks_prefect:
        return _check_clinical(options)
    from flows.data.import_clinical import import_clinical  # noqa: PLC0415

    csv = None if options.csv is None else str(options.csv.absolute())
    return ended(import_clinical(options.center, csv, options.confirm, return_state=True))


def _import_features(options: argparse.Namespace) -> int:
    from flows.data.import_features import import_features, region_and_file  # noqa: PLC0415

    tables = []
    for table in options.tables:
        path, region = region_and_file(table)
        tables.append(f"{region}={path.absolute()}" if region else str(path.absolute()))
    return ended(
        import_features(
            options.center, tables, options.stated, options.patient_column, return_state=True
        )
    )


def _check_clinical(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from feature_store.errors import FeatureStoreError  # noqa: PLC0415
    from flows.data.import_clinical import check_table, dropped_files  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415

    work = installation()
    center = work.center(options.center).name
    files = [options.csv] if options.csv else dropped_files(work, center)
    if not files:
        print("The drop folder holds no table, expected one: name a file.", file=sys.stderr)
        return 1
    good = True
    for file in files:
        try:
            lines, accepted = check_table(work, center, file, options.confirm)
        except (FeatureStoreError, NodeError) as error:
            lines, accepted = [str(error)], False
        print("\n".join([str(file), *lines]))
        good = good and accepted
    return 0 if good else 1


def _overview(_options: argparse.Namespace) -> int:
    from flows.operators.center_overview import center_overview  # noqa: PLC0415

    return ended(center_overview(return_state=True))
