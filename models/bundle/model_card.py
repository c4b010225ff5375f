"""The model card: what a frozen bundle is for, what it was made of, how good it is and where it
must not be trusted.

References
----------
.. [1] Mitchell M et al. Model cards for model reporting. FAT* 2019.
.. [2] Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import FrozenBundle
from models.combined.applicability import Applicability
from models.combined.combined_model import DEEP_BLOCK, CombinedModel
from models.combined.cross_validation import CrossValidation
from models.combined.optimism import InternalValidation
from models.combined.robustness import Robustness
from models.combined.sample_splitting import DeepFeatures
from models.combined.signature import Signature
from models.survival.concordance import TrainingConcordance
from models.wording import counted

_READS_IMAGES = (
    "Reads a planning CT and one GTV contour of non-small-cell lung cancer before radiotherapy, "
    "nothing else."
)
_READS_TABLES = (
    "Reads radiomic features that were made elsewhere, as those of its training were, nothing else."
)
LIMITS = (
    (
        "Trained on one centre; what it is worth elsewhere is for the validation reports of other "
        "centres to say."
    ),
    _READS_IMAGES,
    "Predicts no survival beyond the follow-up of its training patients.",
)

NOT_VALIDATED = "  not internally validated: neither folds nor bootstrap samples were asked for"
NOT_VALIDATED_DEEP = (
    "  not internally validated: the whole training, network included, was not cross-validated"
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
        f"  patients        {training.n}, of whom {training.n_events} died{_taught(bundle)}",
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
        *_made_elsewhere(facts),
        (
            f"  selection       p < {settings.alpha:g}, then the Lasso at "
            f"lambda.{settings.lambda_rule} of {settings.n_folds}-fold cross-validation"
        ),
        *_ring(bundle),
        *_robust(bundle.evidence.robustness),
        f"  network         {_network(bundle)}",
        *_graph(bundle),
        f"  harmonisation   {_harmonisation(bundle)}",
        *_range(bundle.applicability),
        *_recognised(bundle),
        (
            "  components      "
            f"{counted(model.cox_coefficients.size, 'principal component')} of the features, "
            f"{training.variance_explained:.1%} of their variance"
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
        of_signature = [next(weights) for _ in signature.features]
        lines += _signature(signature, of_signature, stability, bundle.evidence.robustness)
    lines += ["", "Performance at the training centre", *_performance(bundle)]
    limits = _limits(model, bundle.evidence.internal, images=not facts.made_elsewhere)
    return [*lines, "", "Limits", *(f"  {limit}" for limit in limits)]


def _taught(bundle: FrozenBundle) -> str:
    """Say who taught the network, where that were others."""
    evidence = bundle.evidence
    if bundle.network is None or evidence.deep_features is DeepFeatures.SAME:
        return ""
    return f"; the network learnt from {counted(evidence.n_network, 'other')}"


def _made_elsewhere(facts: BundleFacts) -> list[str]:
    what = "features made elsewhere and imported; the model scores such features, and no image"
    return [f"  origin          {what}"] if facts.made_elsewhere else []


def _erased(erased: int) -> list[str]:
    what = "the model is as it was trained, and training again gives another"
    return [f"  erased since    {erased} of them: {what}"] if erased else []


def _ring(bundle: FrozenBundle) -> list[str]:
    """Say that the ring was chosen, and what each fold chose."""
    if not bundle.evidence.chose_ring:
        return []
    ring = next((block for block in bundle.model.blocks if block.startswith("ring_")), "none")
    chosen = Counter(
        one.ring for found in bundle.evidence.cross_validations for one in found.results if one.ring
    )
    in_folds = ", ".join(f"{name} in {count}" for name, count in sorted(chosen.items()))
    what = "which says most together with the gtv in these patients"
    too_high = "its apparent figures are too high by this choice as well"
    lines = [f"  ring            {ring}, {what}; {too_high}"]
    if chosen:
        lines.append(f"                  chosen anew by the learners of each fold: {in_folds}")
    return lines


def _robust(found: Robustness | None) -> list[str]:
    """Say which features could be selected at all, a line a block."""
    if found is None:
        return []
    patients = f"{counted(found.n, 'patient')}" + (
        f", {found.n_left_out} more left out" if found.n_left_out else ""
    )
    return [
        (
            "  robust          features with an intraclass correlation of at least "
            f"{found.threshold:g} over {counted(found.contours, 'perturbed contour')} of "
            f"{patients}; in folds not asked of deep features"
        ),
        *(
            f"    {block}: {reach} of {counted(offered, 'feature')}"
            for block, (reach, offered) in found.counts().items()
        ),
    ]


def _network(bundle: FrozenBundle) -> str:
    if bundle.network is None:
        return "none"
    kind = "3D-SE-ResNet" if bundle.network.squeeze_excitation else "3D-ResNet without SE modules"
    curve = bundle.evidence.curve
    best = max((epoch.number for epoch in curve if epoch.best), default=None)
    trained = "" if best is None else f", {counted(len(curve), 'epoch')}, weights of epoch {best}"
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
        f"{counted(len(bundle.combat.features), 'feature')} of the "
        f"{counted(bundle.combat.patients, 'training patient')} by ComBat"
    )


def _range(applicability: Applicability | None) -> list[str]:
    """Say whom the model knows."""
    if applicability is None:
        return ["  range           not recorded: every patient is scored without a word"]
    return [
        f"  range           {one.group}: {counted(len(one.z_score.features), 'feature')}, distance "
        f"up to {one.limit:.3g}, beyond which lies 1 in 100 such patients "
        f"({counted(one.left_out.size, 'patient')} left out to find it)"
        for one in applicability.distances
    ]


def _recognised(bundle: FrozenBundle) -> list[str]:
    """Say by what a training patient is recognised where it comes again."""
    found = bundle.digests
    if found is None:
        return []
    counts = f"{counted(len(found.pixels), 'CT')} by pixels, {len(found.instances)} by instances"
    persons = counted(len(found.persons), "person")
    return [f"  recognised by   salted digests of training patients: {counts}, {persons} by name"]


def _signature(
    signature: Signature,
    weights: list[float],
    stability: Mapping[str, float],
    robustness: Robustness | None,
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
        if robustness is not None:
            again += f", ICC {robustness.correlations[feature]:.2f}"
        lines.append(
            f"    {feature}: Lasso {coefficient:+.6f}, in the combined model {weight:+.6f} per "
            f"SD{again}"
        )
    return lines


def _performance(bundle: FrozenBundle) -> list[str]:
    """Say first what was found in patients whom nothing of the training had seen; what was computed
    with the network outside is no performance of a model that reads deep features.
    """
    evidence, deep = bundle.evidence, bundle.model.needs_network
    lines = [line for found in evidence.cross_validations for line in _cross_validated(found)]
    internal = evidence.internal
    if internal is not None and not deep:
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
    if not lines:
        lines.append(NOT_VALIDATED_DEEP if deep else NOT_VALIDATED)
    for result in evidence.comparison:
        value = "nothing selected"
        if result.concordance is not None and result.standard_error is not None:
            low, high = _interval(result.concordance, result.standard_error)
            value = (
                f"C {result.concordance:.3f} ({low:.3f}-{high:.3f}) apparent, "
                f"{result.n_selected} of {counted(result.n_offered, 'feature')}"
            )
        lines.append(f"  region          {' + '.join(result.regions)}: {value}")
    return lines


def _cross_validated(found: CrossValidation) -> list[str]:
    """Say what a cross-validation of the whole training found, with its error and its failures."""
    c, error = found.concordance
    run, network = len(found.results), DEEP_BLOCK in found.blocks
    what = "network, selection, Cox model" if network else "selection, Cox model"
    not_run = f", {found.folds - run} not run for lack of time" if run < found.folds else ""
    lines = [
        (
            f"  Harrell's C     {c:.3f} (standard error {error:.3f}) in patients whom nothing had "
            f"seen: {counted(run, 'fold')}, {what} made anew in each, {found.n_failed} without a "
            f"model{not_run}"
        )
    ]
    if network:
        n_network, n_model = (
            [getattr(one, name) for one in found.results] for name in ("n_network", "n_model")
        )
        learnt = "the same patients" if found.way is DeepFeatures.SAME else "different patients"
        lines.append(
            f"                  network and Cox model learnt from {learnt}: in a fold "
            f"{_range_of(n_network)} and {_range_of(n_model)}, at most "
            f"{counted(found.epochs, 'epoch')}"
        )
    for block in found.blocks:
        c, error, n_folds = found.of_block(block)
        lines.append(
            f"    {block}: C {c:.3f} (standard error {error:.3f}), selected in {n_folds} of "
            f"{counted(run, 'fold')}"
        )
    return lines


def _range_of(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low}-{high}"


def _interval(estimate: float, error: float) -> tuple[float, float]:
    return TrainingConcordance(estimate, error).interval


def _limits(
    model: CombinedModel, internal: InternalValidation | None, *, images: bool
) -> list[str]:
    known = [limit if images or limit != _READS_IMAGES else _READS_TABLES for limit in LIMITS]
    limits = [*known, *(f"Warning: {warning}" for warning in model.training.warnings)]
    if internal is not None:
        if internal.events_per_candidate < 1:
            limits.append(
                f"Warning: {internal.events_per_candidate:.2f} deaths per candidate feature: "
                "another sample of patients would have selected other features."
            )
        unstable = [feature for feature, share in internal.stability.items() if share < 0.5]
        if unstable:
            limits.append(
                f"Warning: {len(unstable)} of {counted(len(internal.stability), 'feature')} "
                f"{'was' if len(unstable) == 1 else 'were'} selected in less than half of the "
                f"resamples, {min(unstable, key=lambda name: internal.stability[name])} least "
                "often."
            )
        limits += [
            f"Warning: {one} and {two} correlate at {value:+.2f} and say the same thing twice."
            for one, two, value in internal.redundant
        ]
    return limits
