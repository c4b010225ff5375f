"""``python -m flows``: the commands of a data manager and a biostatistician."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from dicom_node.settings import SETTINGS_VARIABLE, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 refused with a sentence, 2 unusable settings or arguments."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
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
    parser = argparse.ArgumentParser(prog="python -m flows", description="Annulus: flows and their dispatcher")
    parser.add_argument("--settings", type=Path, help=f"TOML file (default: {SETTINGS_VARIABLE}, else annulus.toml)")
    commands = parser.add_subparsers(required=True, metavar="command")

    dispatch = commands.add_parser("dispatch", help="score what the node hands over, in warm processes, until stopped")
    dispatch.set_defaults(command=_dispatch)

    serve = commands.add_parser("serve", help="serve the deployments for `prefect deployment run` and the Prefect UI")
    serve.set_defaults(command=_serve)

    clinical = commands.add_parser("import-clinical", help="read a centre's clinical CSV into the feature store")
    clinical.add_argument("center", help="name of the centre in the settings file")
    clinical.add_argument("csv", type=Path, help="the CSV file; patient identifiers are replaced by pseudonyms")
    clinical.set_defaults(command=_import_clinical)

    train = commands.add_parser("train", help="train on a centre in the feature store and freeze a bundle")
    train.add_argument("center", help="the training centre")
    train.add_argument("bundle", type=Path, help="folder of the new bundle")
    train.add_argument("--name", default="annulus", help="name of the model (default: %(default)s)")
    train.add_argument("--seed", type=int, default=20260101, help="seed of everything random (default: %(default)s)")
    train.add_argument("--epochs", type=int, default=100, help="epochs of the network (default: %(default)s)")
    train.add_argument(
        "--lambda-rule",
        choices=("min", "1se"),
        default="min",
        help="penalty of the Lasso: smallest deviance, or within one standard error, which keeps fewer features "
        "(default: %(default)s)",
    )
    train.add_argument("--without-se", action="store_true", help="the ablation: the network without SE modules")
    train.add_argument(
        "--bootstraps",
        type=int,
        default=100,
        help="bootstrap samples that take the optimism off the performance in the model card (default: %(default)s)",
    )
    train.add_argument(
        "--store-versions",
        type=_versions,
        metavar="TABLE=VERSION,...",
        help="train on these versions of the feature store's tables, as a model card names them (default: the newest)",
    )
    train.add_argument("--demonstration", action="store_true", help="mark the bundle as not for clinical use")
    train.set_defaults(command=_train)

    figures = commands.add_parser(
        "figures", help="draw a bundle's coefficients, component loadings and training curve as SVG"
    )
    figures.add_argument("bundle", type=Path, help="folder of the bundle")
    figures.add_argument("folder", type=Path, help="folder for the figures")
    figures.set_defaults(command=_figures)

    compare = commands.add_parser("compare", help="compare two bundles on the same patients: C, AUC, ROC curves")
    compare.add_argument("first", type=Path, help="folder of one bundle")
    compare.add_argument("second", type=Path, help="folder of the other, such as the ablation without SE modules")
    compare.add_argument("centers", nargs="+", metavar="center", help="centres whose patients are compared")
    compare.add_argument("--folder", type=Path, default=Path("comparison"), help="for figures (default: %(default)s)")
    compare.set_defaults(command=_compare)

    explain = commands.add_parser("explain", help="say what the score of one study is made of")
    explain.add_argument("study_key", help="the study's pseudonym, as `python -m dicom_node status` shows it")
    explain.add_argument(
        "--occlusion", type=Path, metavar="FILE", help="write a DICOM parametric map of what the network looked at"
    )
    explain.set_defaults(command=_explain)

    validate = commands.add_parser("validate", help="write the validation report of one or more centres")
    validate.add_argument("centers", nargs="+", metavar="center", help="centres; several are also pooled")
    validate.add_argument("--name", default="ad-hoc", help="name of the report (default: %(default)s)")
    validate.add_argument(
        "--combat",
        action="store_true",
        help="align each centre's features with the training centre's by ComBat first; the report says so",
    )
    validate.set_defaults(command=_validate)
    return parser


def _versions(text: str) -> dict[str, int]:
    """Read ``clinical=3,radiomics=60``."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and number.strip().isdecimal() for name, _, number in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} does not name tables and versions: write clinical=3,radiomics=60")
    return {name.strip(): int(number) for name, _, number in pairs}


def _dispatch(_options: argparse.Namespace) -> int:
    from flows.dispatcher import dispatch  # noqa: PLC0415 - Prefect takes seconds to import
    from flows.installation import installation  # noqa: PLC0415

    dispatch(installation())
    return 0


def _serve(_options: argparse.Namespace) -> int:
    from flows.deployments import serve_deployments  # noqa: PLC0415

    serve_deployments()
    return 0


def _import_clinical(options: argparse.Namespace) -> int:
    from flows.import_clinical import import_clinical  # noqa: PLC0415

    return _ended(import_clinical(options.center, str(options.csv.absolute()), return_state=True))


def _train(options: argparse.Namespace) -> int:
    from flows.train_model import TrainingRequest, train_model  # noqa: PLC0415
    from models.lasso_cox import LambdaRule  # noqa: PLC0415

    request = TrainingRequest(
        center=options.center,
        bundle=options.bundle.absolute(),
        name=options.name,
        seed=options.seed,
        network_epochs=options.epochs,
        lambda_rule=LambdaRule(options.lambda_rule),
        squeeze_excitation=not options.without_se,
        bootstraps=options.bootstraps,
        store_versions=options.store_versions,
        demonstration=options.demonstration,
    )
    return _ended(train_model(request, return_state=True))


def _figures(options: argparse.Namespace) -> int:
    from models.errors import ModelError  # noqa: PLC0415
    from models.frozen_bundle import load, read_digest  # noqa: PLC0415
    from validation_reports.model_figures import model_figures  # noqa: PLC0415

    try:
        bundle = load(options.bundle, read_digest(options.bundle))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, svg in model_figures(bundle.model, bundle.evidence.curve).items():
        (options.folder / name).write_text(svg, encoding="utf-8")
        print(options.folder / name)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from flows.compare_models import ComparisonRequest, compare_models  # noqa: PLC0415

    request = ComparisonRequest(
        first=options.first.absolute(),
        second=options.second.absolute(),
        centers=options.centers,
        folder=options.folder.absolute(),
    )
    return _ended(compare_models(request, return_state=True))


def _explain(options: argparse.Namespace) -> int:
    from flows.explain_study import explain_study  # noqa: PLC0415

    occlusion = None if options.occlusion is None else options.occlusion.absolute()
    return _ended(explain_study(options.study_key, occlusion, return_state=True))


def _validate(options: argparse.Namespace) -> int:
    from flows.validate import CohortQuery, validate_cohort  # noqa: PLC0415

    query = CohortQuery(name=options.name, centers=options.centers, combat=options.combat)
    return _ended(validate_cohort(query, return_state=True))


def _ended(state: object) -> int:
    """Print the verdict of a run and turn its state into an exit code."""
    from prefect.client.schemas.objects import State  # noqa: PLC0415

    if not isinstance(state, State):
        raise TypeError(f"a flow run ends in a state, found {type(state).__name__}")
    print(state.message or state.name)
    return 0 if state.is_completed() else 1


if __name__ == "__main__":
    sys.exit(main())
