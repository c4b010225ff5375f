"""The model card: what a frozen bundle is for, what it was made of, how good it is and where it
must not be trusted.

References
----------
.. [1] Mitchell M et al. Model cards for model reporting. FAT* 2019.
.. [2] Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.bundle.frozen_bundle import FrozenBundle
from models.bundle.training_evidence import TrainingEvidence
from models.combined.applicability import Applicability
from models.combined.combined_model import CombinedModel
from models.combined.optimism import InternalValidation
from models.combined.signature import Signature
from models.survival.concordance import TrainingConcordance

LIMITS = (
    (
        "Trained on one centre; what it is worth elsewhere is for the validation reports of other "
        "centres to say."
    ),
    (
        "Reads a planning CT and one GTV contour of non-small-cell lung cancer before "
        "radiotherapy, nothing else."
    ),
    "Predicts no survival beyond the follow-up of its training patients.",
)


def model_card(bundle: FrozenBundle, erased: int = 0) -> list[str]:
    """Return the card as lines for people.

    Parameters
    ----------
    bundle : FrozenBundle
        A bundle that was loaded, hence verified.
    erased : int
        How many of its training patients have been erased since.

    Returns
    -------
    list of str
    """
    facts, model = bundle.facts, bundle.model
    training, settings = model.training, model.training.settings
    lines = [
        f"{facts.name} {facts.version}",
        f"digest            {bundle.digest}",
        "",
        "Intended use",
        f"  {facts.intended_use}",
        f"  demonstration   {'yes, not for clinical use' if facts.demonstration else 'no'}",
        "",
        "Training",
        f"  centre          {facts.training_center}, data as of {facts.created_at.isoformat()}",
        f"  patients        {training.n}, of whom {training.n_events} died",
        *_erased(erased),
        f"  seed            {training.seed}",
        f"  software        {facts.software_version}; "
        + ", ".join(
            f"{name} {version}" for name, version in sorted(facts.package_versions.items())
        ),
        "  feature store   "
        + (
            ", ".join(f"{name} {version}" for name, version in sorted(facts.store_versions.items()))
            or "not recorded"
        ),
        f"  extraction      settings {facts.extraction_settings_digest}",
        f"                  {facts.extraction_settings}",
        (
            f"  selection       p < {settings.alpha:g}, then the Lasso at "
            f"lambda.{settings.lambda_rule} of {settings.n_folds}-fold cross-validation"
        ),
        f"  network         {_network(bundle)}",
        *_graph(bundle),
        f"  harmonisation   {_harmonisation(bundle)}",
        *_range(bundle.applicability),
        *_recognised(bundle),
        (
            f"  components      {model.cox_coefficients.size}, {training.variance_explained:.1%} "
            "of the variance"
        ),
        "",
        "Score",
        f"  cut-off         {model.cutoff:.6f} (linear predictor; above is high risk)",
    ]
    for horizon, hazard in zip(model.horizons, model.baseline.at(model.horizons), strict=True):
        lines.append(f"  baseline hazard {hazard:.6f} at {horizon} days")
    stability = bundle.evidence.internal.stability if bundle.evidence.internal else {}
    weights = iter(model.feature_weights)
    for signature in model.signatures:
        lines += _signature(signature, [next(weights) for _ in signature.features], stability)
    lines += ["", "Performance in the training patients", *_performance(bundle.evidence)]
    lines += ["", "Limits", *(f"  {limit}" for limit in _limits(model, bundle.evidence.internal))]
    return lines


def _erased(erased: int) -> list[str]:
    what = "the model is as it was trained, and training again gives another"
    return [f"  erased since    {erased} of them: {what}"] if erased else []


def _network(bundle: FrozenBundle) -> str:
    if bundle.network is None:
        return "none"
    kind = "3D-SE-ResNet" if bundle.network.squeeze_excitation else "3D-ResNet without SE modules"
    curve = bundle.evidence.curve
    best = max((epoch.number for epoch in curve if epoch.best), default=None)
    trained = "" if best is None else f", {len(curve)} epochs, weights of epoch {best}"
    return f"{kind}, weights {bundle.network.digest}{trained}"


def _graph(bundle: FrozenBundle) -> list[str]:
    check = bundle.evidence.graph
    if bundle.network is None or check is None:
        return []
    verdict = "scores" if check.agrees else "differs too much and was left out: Keras scores"
    return [
        (
            f"  ONNX graph      {verdict}; {check.engine} and {check.reference} differ by "
            f"{check.largest_difference:.1e} at most in the deep features of {check.tumours} "
            f"tumour{'s' * (check.tumours != 1)}, the largest of which is "
            f"{check.largest_feature:.3g}"
        )
    ]


def _harmonisation(bundle: FrozenBundle) -> str:
    if bundle.combat is None:
        return "none of features between centres"
    return (
        "no score of a single patient; a validation may align a cohort with "
        f"{len(bundle.combat.features)} features of the {bundle.combat.patients} training patients "
        "by ComBat"
    )


def _range(applicability: Applicability | None) -> list[str]:
    """Say whom the model knows."""
    if applicability is None:
        return ["  range           not recorded: every patient is scored without a word"]
    return [
        f"  range           {one.group}: {len(one.z_score.features)} features, distance up to "
        f"{one.limit:.3g}, beyond which lies 1 in 100 such patients ({one.left_out.size} left out)"
        for one in applicability.distances
    ]


def _recognised(bundle: FrozenBundle) -> list[str]:
    """Say by what a training patient is recognised where it comes again."""
    found = bundle.digests
    if found is None:
        return []
    counts = f"{len(found.pixels)} CTs by pixels, {len(found.instances)} by instances"
    return [f"  recognised by   salted digests: {counts}, {len(found.persons)} names of persons"]


def _signature(
    signature: Signature, weights: list[float], stability: Mapping[str, float]
) -> list[str]:
    steps = signature.selection
    lines = [
        (
            f"  signature       {signature.block}: {steps.n_offered} offered, "
            f"{steps.n_significant} significant, {steps.n_selected} selected"
        )
    ]
    for feature, coefficient, weight in zip(
        signature.features, signature.coefficients, weights, strict=True
    ):
        again = (
            f", selected in {stability[feature]:.0%} of resamples" if feature in stability else ""
        )
        lines.append(
            f"    {feature}: Lasso {coefficient:+.6f}, in the combined model {weight:+.6f} per "
            f"SD{again}"
        )
    return lines


def _performance(evidence: TrainingEvidence) -> list[str]:
    lines = []
    if (internal := evidence.internal) is not None:
        low, high = _interval(internal.concordance, internal.standard_error)
        lines += [
            (
                f"  Harrell's C     {internal.concordance:.3f} ({low:.3f}-{high:.3f}) apparent; "
                f"{internal.corrected_concordance:.3f} corrected for optimism "
                f"({internal.resamples} bootstrap samples of the whole selection, "
                f"{internal.failed} failed); {internal.out_of_bag:.3f} in patients left out of a "
                "sample"
            ),
            (
                f"  calibration     slope {internal.calibration_slope:.2f} corrected for optimism "
                "(1 is right)"
            ),
        ]
    for result in evidence.comparison:
        value = "nothing selected"
        if result.concordance is not None and result.standard_error is not None:
            low, high = _interval(result.concordance, result.standard_error)
            value = (
                f"C {result.concordance:.3f} ({low:.3f}-{high:.3f}) apparent, "
                f"{result.n_selected} of {result.n_offered} features"
            )
        lines.append(f"  region          {' + '.join(result.regions)}: {value}")
    return lines or ["  not recorded"]


def _interval(estimate: float, error: float) -> tuple[float, float]:
    return TrainingConcordance(estimate, error).interval


def _limits(model: CombinedModel, internal: InternalValidation | None) -> list[str]:
    limits = [*LIMITS, *(f"Warning: {warning}" for warning in model.training.warnings)]
    if internal is not None:
        if internal.events_per_candidate < 1:
            limits.append(
                f"Warning: {internal.events_per_candidate:.2f} deaths per candidate feature: "
                "another sample of patients would have selected other features."
            )
        unstable = [feature for feature, share in internal.stability.items() if share < 0.5]
        if unstable:
            limits.append(
                f"Warning: {len(unstable)} of {len(internal.stability)} features were selected in "
                "less than half of the resamples, "
                f"{min(unstable, key=lambda name: internal.stability[name])} least often."
            )
        limits += [
            f"Warning: {one} and {two} correlate at {value:+.2f} and say the same thing twice."
            for one, two, value in internal.redundant
        ]
        if model.needs_network:
            limits.append(
                "The corrected C does not take off what the network learnt from the same patients."
            )
    return limits
