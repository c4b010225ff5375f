"""The commands of ``python -m flows`` around a model: train, figures, PyRadiomics' parameters,
compare, explain, score what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from feature_store.wording import counted
from flows.commands.ended import ended


def add_model_commands(commands: Any) -> None:
    """Add ``train``, ``figures``, ``pyradiomics-parameters``, ``compare``, ``explain`` and
    ``score-cohort``,
    ``certainty-cohort``, ``compare-readers``.
    """
    train = commands.add_parser(
        "train", help="train on a centre in the feature store and freeze a bundle"
    )
    train.add_argument("center", help="the training centre")
    train.add_argument("bundle", type=Path, help="folder of the new bundle")
    train.add_argument("--name", default="annulus", help="name of the model (default: %(default)s)")
    train.add_argument(
        "--seed",
        type=int,
        default=20260101,
        help="seed of everything random (default: %(default)s)",
    )
    train.add_argument(
        "--epochs", type=int, default=100, help="epochs of the network (default: %(default)s)"
    )
    train.add_argument(
        "--lambda-rule",
        choices=("min", "1se"),
        default="min",
        help="penalty of the Lasso: smallest deviance, or within one standard error, which keeps "
        "fewer features (default: %(default)s)",
    )
    train.add_argument(
        "--without-se", action="store_true", help="the ablation: the network without SE modules"
    )
    train.add_argument(
        "--bootstraps",
        type=int,
        default=100,
        help=(
            "bootstrap samples of the selection: stability of the features, and where the model "
            "reads no deep features the optimism of its performance (default: %(default)s)"
        ),
    )
    train.add_argument(
        "--folds",
        type=_folds,
        default=5,
        help="folds of the cross-validation of the whole training, a network in each, which give "
        "the model card's performance; 0 for none (default: %(default)s)",
    )
    train.add_argument(
        "--fold-epochs",
        type=int,
        metavar="EPOCHS",
        help="epochs of each fold's network (default: as many as the network's)",
    )
    train.add_argument(
        "--fold-hours",
        type=float,
        metavar="HOURS",
        help="begin no further fold after so many hours; the card says how many were not run",
    )
    train.add_argument(
        "--deep-features",
        choices=("same", "held-out"),
        default="same",
        help="whether signatures and Cox model learn from the patients that taught the network, as "
        "in the paper, or from the other half (default: %(default)s)",
    )
    train.add_argument(
        "--both-ways",
        action="store_true",
        help="cross-validate the other of these ways too, so that the model card shows what each "
        "costs",
    )
    train.add_argument(
        "--least-deaths-per-component",
        type=float,
        default=5.0,
        metavar="DEATHS",
        help="refuse a model with fewer deaths for each component of its Cox model; 0 for any "
        "(default: %(default)s)",
    )
    train.add_argument(
        "--robust",
        type=float,
        metavar="ICC",
        help="let only features enter the selection whose intraclass correlation over perturbed "
        "contours of the training patients reaches this, such as 0.9 (default: all)",
    )
    train.add_argument(
        "--store-versions",
        type=_versions,
        metavar="TABLE=VERSION,...",
        help=(
            "train on these versions of the feature store's tables, as a model card names them "
            "(default: the newest)"
        ),
    )
    train.add_argument(
        "--ring",
        choices=("6mm", "best"),
        default="6mm",
        help="the ring of the model: that of the paper, or the one that says most together with "
        "the tumour (Table 3), chosen anew in each fold and resample (default: %(default)s)",
    )
    train.add_argument(
        "--imported",
        action="store_true",
        help="train on radiomic features that were made elsewhere (import-features): no network, "
        "no image",
    )
    train.add_argument(
        "--demonstration", action="store_true", help="mark the bundle as not for clinical use"
    )
    train.set_defaults(command=_train, asks_prefect=True)

    figures = commands.add_parser(
        "figures", help="draw a bundle's coefficients, component loadings and training curve as SVG"
    )
    figures.add_argument("bundle", type=Path, help="folder of the bundle")
    figures.add_argument("folder", type=Path, help="folder for the plots")
    figures.set_defaults(command=_plots, alone=True)

    parameters = commands.add_parser(
        "pyradiomics-parameters",
        help="print the parameter file with which PyRadiomics gives a bundle's radiomic features",
    )
    parameters.add_argument(
        "bundle",
        type=Path,
        nargs="?",
        help="folder of the bundle (default: the features of this installation's settings)",
    )
    parameters.set_defaults(command=_pyradiomics_parameters)

    compare = commands.add_parser(
        "compare", help="compare two bundles on the same patients: C, AUC, ROC curves"
    )
    compare.add_argument("first", type=Path, help="folder of one bundle")
    compare.add_argument(
        "second", type=Path, help="folder of the other, such as the ablation without SE modules"
    )
    compare.add_argument(
        "centers", nargs="+", metavar="center", help="centres whose patients are compared"
    )
    compare.add_argument(
        "--folder", type=Path, default=Path("comparison"), help="for plots (default: %(default)s)"
    )
    compare.set_defaults(command=_compare, asks_prefect=True)

    explain = commands.add_parser("explain", help="say what the score of one study is made of")
    explain.add_argument("study_key", help="the study's pseudonym, or its patient's")
    explain.add_argument(
        "--occlusion",
        type=Path,
        metavar="FILE",
        help="write a DICOM parametric map of what the network looked at",
    )
    explain.set_defaults(command=_explain, asks_prefect=True)

    readers = commands.add_parser(
        "compare-readers",
        help="compare the RTSTRUCTs of a study with each other, and with perturbed contours",
    )
    readers.add_argument("study_key", help="the study's pseudonym, or its patient's")
    readers.add_argument(
        "--contours", type=int, default=20, help="perturbed contours (default: %(default)s)"
    )
    readers.set_defaults(command=_compare_readers)

    cohort = commands.add_parser(
        "score-cohort", help="score what the pinned model has not scored yet"
    )
    cohort.add_argument(
        "centers", nargs="*", metavar="center", help="centres (default: all external ones)"
    )
    cohort.set_defaults(command=_score_cohort, asks_prefect=True)

    certainty = commands.add_parser(
        "certainty-cohort",
        help="compute how far scores move over other contours, where they were scored without",
    )
    certainty.add_argument(
        "centers", nargs="*", metavar="center", help="centres (default: all external ones)"
    )
    certainty.add_argument(
        "--contours",
        type=int,
        help="contours of each study (default: as many as the settings ask for, else 20)",
    )
    certainty.set_defaults(command=_certainty_cohort, asks_prefect=True)


def _versions(text: str) -> dict[str, int]:
    """Read ``clinical=3,radiomics=60``."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and number.strip().isdecimal() for name, _, number in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not name tables and versions: write clinical=3,radiomics=60"
        )
    return {name.strip(): int(number) for name, _, number in pairs}


def _folds(text: str) -> int:
    """Read a number of folds: one would leave nobody to train on."""
    if not text.isdecimal() or int(text) == 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of folds: use 2 or more, or 0")
    return int(text)


def _train(options: argparse.Namespace) -> int:
    from flows.training.request import RingChoice, TrainingRequest  # noqa: PLC0415
    from flows.training.train_model import train_model  # noqa: PLC0415
    from models.combined.sample_splitting import DeepFeatures  # noqa: PLC0415
    from models.survival.lasso_cross_validation import LambdaRule  # noqa: PLC0415

    request = TrainingRequest(
        center=options.center,
        bundle=options.bundle.absolute(),
        name=options.name,
        seed=options.seed,
        network_epochs=options.epochs,
        lambda_rule=LambdaRule(options.lambda_rule),
        squeeze_excitation=not options.without_se,
        bootstraps=options.bootstraps,
        folds=options.folds,
        fold_epochs=options.fold_epochs,
        fold_hours=options.fold_hours,
        deep_features=DeepFeatures(options.deep_features),
        both_ways=options.both_ways,
        least_deaths_per_component=options.least_deaths_per_component,
        robust=options.robust,
        store_versions=options.store_versions,
        ring=RingChoice(options.ring),
        demonstration=options.demonstration,
    )
    if options.imported:
        from flows.training.train_imported import train_imported  # noqa: PLC0415

        return ended(train_imported(request, return_state=True))
    return ended(train_model(request, return_state=True))


def _plots(options: argparse.Namespace) -> int:
    from models.bundle.frozen_bundle import load, read_digest  # noqa: PLC0415
    from models.errors import ModelError  # noqa: PLC0415
    from validation_reports.page.model_plots import model_plots  # noqa: PLC0415

    try:
        bundle = load(options.bundle, read_digest(options.bundle))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, svg in model_plots(bundle.model, bundle.evidence.curve).items():
        (options.folder / name).write_text(svg, encoding="utf-8")
        print(options.folder / name)
    return 0


def _pyradiomics_parameters(options: argparse.Namespace) -> int:
    from feature_store.radiomic_features.pyradiomics_parameters import (  # noqa: PLC0415
        parameter_file,
    )
    from flows.data.bundle_extraction import extraction_of  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415
    from models.bundle.frozen_bundle import load, read_digest  # noqa: PLC0415
    from models.errors import ModelError  # noqa: PLC0415

    try:
        settings = (
            Settings.load().extraction()
            if options.bundle is None
            else extraction_of(load(options.bundle, read_digest(options.bundle)).facts)
        )
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    print(parameter_file(settings), end="")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from flows.training.compare_models import ComparisonRequest, compare_models  # noqa: PLC0415

    request = ComparisonRequest(
        first=options.first.absolute(),
        second=options.second.absolute(),
        centers=options.centers,
        folder=options.folder.absolute(),
    )
    return ended(compare_models(request, return_state=True))


def _explain(options: argparse.Namespace) -> int:
    from flows.studies.explain_study import explain_study  # noqa: PLC0415

    occlusion = None if options.occlusion is None else options.occlusion.absolute()
    return ended(explain_study(options.study_key, occlusion, return_state=True))


def _score_cohort(options: argparse.Namespace) -> int:
    from flows.studies.score_cohort import score_cohort  # noqa: PLC0415

    return ended(score_cohort(options.centers or None, return_state=True))


def _certainty_cohort(options: argparse.Namespace) -> int:
    from flows.studies.certainty_cohort import certainty_cohort  # noqa: PLC0415

    return ended(certainty_cohort(options.centers or None, options.contours, return_state=True))


def _compare_readers(options: argparse.Namespace) -> int:
    from flows.installation import installation  # noqa: PLC0415
    from flows.studies.readers import compare_readers  # noqa: PLC0415

    if options.contours < 1:
        print(f"{counted(options.contours, 'contour')}: expected at least 1.", file=sys.stderr)
        return 2
    found = compare_readers(installation(), options.study_key, options.contours)
    print("\n".join(found.in_words()))
    return 0
