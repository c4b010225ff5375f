"""Look at a frozen bundle: ``python -m models verify|show FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import ModelError
from models.frozen_bundle import FrozenBundle, load, read_digest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default is the command line.

    Returns
    -------
    int
        0 when the bundle is sound, 1 when it is not; the reason is then one sentence on standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m models", description="Check or show a frozen model bundle.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("verify", "check every file and print the digest"), ("show", "print what the bundle holds")):
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", type=Path)
        command.add_argument("--digest", help="the digest that it must have; default: whatever its manifest gives")
    chosen = parser.parse_args(arguments)
    try:
        bundle = load(chosen.folder, chosen.digest or read_digest(chosen.folder))
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [bundle.digest] if chosen.command == "verify" else describe(bundle)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def describe(bundle: FrozenBundle) -> list[str]:
    """Return lines that say what a bundle is, for people."""
    facts, model = bundle.facts, bundle.model
    training = model.training
    lines = [
        f"{facts.name} {facts.version}",
        f"digest            {bundle.digest}",
        f"intended use      {facts.intended_use}",
        f"demonstration     {'yes, not for clinical use' if facts.demonstration else 'no'}",
        f"trained           {facts.created_at.isoformat()} at {facts.training_center}, seed {training.seed}",
        f"patients          {training.n}, of whom {training.n_events} died",
        f"software          {facts.software_version}",
        f"extraction        settings {facts.extraction_settings_digest}",
        f"network           {bundle.network.digest if bundle.network else 'none'}",
        f"components        {model.cox_coefficients.size}, {training.variance_explained:.1%} of the variance",
        f"selection         p < {training.settings.alpha:g}, Lasso at lambda.{training.settings.lambda_rule}",
        f"cut-off           {model.cutoff:.6f} (linear predictor; above is high risk)",
    ]
    lines += [f"warning           {warning}" for warning in training.warnings]
    for horizon, hazard in zip(model.horizons, model.baseline.at(model.horizons), strict=True):
        lines.append(f"baseline hazard   {hazard:.6f} at {horizon} days")
    weights = iter(model.feature_weights)
    for signature in model.signatures:
        steps = signature.selection
        lines.append(
            f"signature         {signature.block}: {steps.n_offered} offered, {steps.n_significant} significant, "
            f"{steps.n_selected} selected"
        )
        for feature, coefficient in zip(signature.features, signature.coefficients, strict=True):
            lines.append(f"  {feature}: Lasso {coefficient:+.6f}, in the combined model {next(weights):+.6f} per SD")
    return lines


if __name__ == "__main__":
    sys.exit(main())
