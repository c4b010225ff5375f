"""ROC curves of two models on the same patients, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from validation_reports.not_estimable import NotEstimable
from validation_reports.page.plots import HIGH_COLOUR, INK, LOW_COLOUR, drawing, svg
from validation_reports.report.model_comparison import ScoreComparison
from validation_reports.wording import horizon_words, interval

_MOST_POINTS = 400
"""More points of a curve are not seen."""


def roc_plot(found: ScoreComparison) -> str:
    """Draw the ROC curves of both models at every horizon (paper, figure 4)."""
    with drawing((2.9 * len(found.horizons), 3.1)) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(found.horizons)))
        for axes, horizon in zip(panels, found.horizons, strict=True):
            axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
            for curve, name, colour, style in zip(
                horizon.curves,
                found.models,
                (LOW_COLOUR, HIGH_COLOUR),
                ("-", (0, (5, 2))),
                strict=True,
            ):
                if isinstance(curve, NotEstimable):
                    axes.plot(
                        [], [], color=colour, linestyle=style, label=f"{name}\nAUC not estimable"
                    )
                    continue
                words = (
                    f"{name}\nAUC {interval(curve.auc.estimate, curve.auc.lower, curve.auc.upper)}"
                )
                x, y = _thinned(curve.false_positive), _thinned(curve.true_positive)
                axes.plot(x, y, color=colour, linestyle=style, linewidth=1.6, label=words)
            axes.set(
                xlim=(0, 1),
                ylim=(0, 1.01),
                aspect="equal",
                title=horizon_words(horizon.days),
                xlabel="1 − specificity",
                ylabel="Sensitivity",
            )
            axes.legend(
                frameon=False, fontsize=7, loc="lower right", handlelength=2.2, borderaxespad=0.1
            )
        words = f"ROC curves of the {found.score}: {' against '.join(found.models)}, {found.cohort}"
        figure.suptitle(f"{found.cohort}: {found.score} (n = {found.n})", fontsize=9.5)
        figure.tight_layout()
        return svg(figure, f"roc-{found.score}-{found.cohort}", words)


def _thinned(values: Sequence[float]) -> NDArray[np.float64]:
    places = np.unique(
        np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).round().astype(np.intp)
    )
    chosen: NDArray[np.float64] = np.asarray(values)[places]
    return chosen
