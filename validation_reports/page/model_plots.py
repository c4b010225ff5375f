"""The figures of a frozen model as SVG text: coefficients, loadings (paper, figures 3 and 5), the
network's training.

The same model gives the same SVG. matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.combined.combined_model import CombinedModel
from models.combined.signature import Signature
from models.network.checkpoint import Epoch

LOWERS, RAISES = "#0072B2", "#D55E00"
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "annulus",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_ROW_INCHES = 0.24


def coefficient_figure(signature: Signature) -> str:
    """Draw the Lasso coefficients of one signature as bars, the largest at the top (paper, figure
    3).

    Parameters
    ----------
    signature : Signature
        Of one block.

    Returns
    -------
    str
        SVG.
    """
    order = np.argsort(np.abs(signature.coefficients), kind="stable")
    values = signature.coefficients[order]
    names = [signature.features[row].partition(":")[2] for row in order]
    figure = _figure(6.4, len(names))
    axes = figure.subplots()
    axes.barh(
        range(len(names)),
        values,
        color=[RAISES if value > 0 else LOWERS for value in values],
        height=0.7,
    )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xlabel="Lasso coefficient per standard deviation (right: raises the hazard)",
        title=f"Signature {signature.block}",
    )
    return _svg(figure)


def loading_figure(model: CombinedModel) -> str:
    """Draw the loadings of the principal components as a heat map, with their log hazard ratios
    (paper, figure 5).

    Parameters
    ----------
    model : CombinedModel
        The combined model.

    Returns
    -------
    str
        SVG.
    """
    loadings = model.components.loadings
    figure = _figure(2.6 + 4.2 + 0.34 * loadings.shape[1], len(model.features) + 2)
    axes = figure.subplots()
    reach = float(np.abs(loadings).max())
    picture = axes.imshow(loadings, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    axes.set_yticks(range(len(model.features)), model.features)
    labels = [
        f"PC{number}\n{beta:+.2f}" for number, beta in enumerate(model.cox_coefficients, start=1)
    ]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(
        xlabel="component, and its log hazard ratio",
        title="Loadings of the combined model's components",
    )
    figure.colorbar(picture, ax=axes, label="loading")
    return _svg(figure)


def training_figure(curve: Sequence[Epoch]) -> str:
    """Draw the network's loss per epoch, in the patients that it learns from and in those held out.

    Parameters
    ----------
    curve : sequence of Epoch
        At least one.

    Returns
    -------
    str
        SVG.
    """
    figure = _figure(6.4, 9)
    axes = figure.subplots()
    axes.plot(
        [e.number for e in curve],
        [e.loss for e in curve],
        color=LOWERS,
        label="training, with weight decay",
    )
    watched = [(e.number, e.held_out_loss) for e in curve if e.held_out_loss is not None]
    if watched:
        axes.plot(
            *zip(*watched, strict=True), color=RAISES, linestyle=(0, (5, 2)), label="held out"
        )
    best = max((e.number for e in curve if e.best), default=None)
    if best is not None:
        axes.axvline(
            best,
            color="black",
            linewidth=0.8,
            linestyle=(0, (1, 1.5)),
            label=f"weights kept: epoch {best}",
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(
        xlabel="epoch",
        ylabel="negative Cox log-likelihood per death",
        title="Training of the network",
    )
    axes.legend(frameon=False)
    return _svg(figure)


def model_figures(model: CombinedModel, curve: Sequence[Epoch] = ()) -> dict[str, str]:
    """Return every figure of a model by file name, with the network's training curve where there is
    one.
    """
    figures = {
        f"coefficients-{signature.block}.svg": coefficient_figure(signature)
        for signature in model.signatures
    }
    figures["component-loadings.svg"] = loading_figure(model)
    return {**figures, "training-curve.svg": training_figure(curve)} if curve else figures


def _figure(width: float, rows: int) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    return Figure(figsize=(width, 1.2 + _ROW_INCHES * rows))


def _svg(figure: Any) -> str:
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415

    buffer = io.StringIO()
    # Its keys are typed as a closed list of literals
    with rc_context(_SETTINGS):  # type: ignore[arg-type]
        FigureCanvasSVG(figure)
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None}
        )
    return buffer.getvalue()
