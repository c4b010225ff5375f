"""The plots of a frozen model as SVG text: coefficients, loadings (paper, figures 3 and 5), the
network's training.

The same model gives the same SVG.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from models.combined.combined_model import CombinedModel
from models.combined.signature import Signature
from models.network.checkpoint import Epoch
from validation_reports.page.plots import HIGH_COLOUR, INK, LOW_COLOUR, drawing, svg

_ROW_INCHES = 0.24


def coefficient_plot(signature: Signature) -> str:
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
    with _rows(6.4, len(names)) as figure:
        axes = figure.subplots()
        axes.barh(
            range(len(names)),
            values,
            color=[HIGH_COLOUR if value > 0 else LOW_COLOUR for value in values],
            height=0.7,
        )
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(names)), names)
        title = f"Signature {signature.block}"
        axes.set(
            xlabel="Lasso coefficient per standard deviation (right: raises the hazard)",
            title=title,
        )
        return svg(figure, f"coefficients-{signature.block}", f"Lasso coefficients. {title}")


def loading_plot(model: CombinedModel) -> str:
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
    with _rows(2.6 + 4.2 + 0.34 * loadings.shape[1], len(model.features) + 2) as figure:
        axes = figure.subplots()
        reach = float(np.abs(loadings).max())
        picture = axes.imshow(loadings, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
        axes.grid(visible=False)
        axes.set_yticks(range(len(model.features)), model.features)
        labels = [
            f"PC{number}\n{beta:+.2f}"
            for number, beta in enumerate(model.cox_coefficients, start=1)
        ]
        axes.set_xticks(range(len(labels)), labels)
        title = "Loadings of the combined model's components"
        axes.set(xlabel="component, and its log hazard ratio", title=title)
        figure.colorbar(picture, ax=axes, label="loading")
        return svg(figure, "component-loadings", title)


def training_plot(curve: Sequence[Epoch]) -> str:
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
    with _rows(6.4, 9) as figure:
        axes = figure.subplots()
        axes.plot(
            [e.number for e in curve],
            [e.loss for e in curve],
            color=LOW_COLOUR,
            label="training, with weight decay",
        )
        watched = [(e.number, e.held_out_loss) for e in curve if e.held_out_loss is not None]
        if watched:
            axes.plot(
                *zip(*watched, strict=True),
                color=HIGH_COLOUR,
                linestyle=(0, (5, 2)),
                label="held out",
            )
        best = max((e.number for e in curve if e.best), default=None)
        if best is not None:
            axes.axvline(
                best,
                color=INK,
                linewidth=0.8,
                linestyle=(0, (1, 1.5)),
                label=f"weights kept: epoch {best}",
            )
        axes.xaxis.get_major_locator().set_params(integer=True)
        title = "Training of the network"
        axes.set(xlabel="epoch", ylabel="negative Cox log-likelihood per death", title=title)
        axes.legend(frameon=False)
        return svg(figure, "training-curve", title)


def model_plots(model: CombinedModel, curve: Sequence[Epoch] = ()) -> dict[str, str]:
    """Return every plot of a model by file name, with the network's training curve where there is
    one.
    """
    plots = {
        f"coefficients-{signature.block}.svg": coefficient_plot(signature)
        for signature in model.signatures
    }
    plots["component-loadings.svg"] = loading_plot(model)
    return {**plots, "training-curve.svg": training_plot(curve)} if curve else plots


def _rows(width: float, rows: int) -> AbstractContextManager[Any]:
    """Give an empty figure with room for so many rows of text; width in inches."""
    return drawing((width, 1.2 + _ROW_INCHES * rows))
