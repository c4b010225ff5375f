"""A score as Markdown with its picture inside: what the Prefect UI shows of a run."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from models.combined.combined_model import Risk
from validation_reports.wording import horizon_words, percent

_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|<>~&])")


def score_markdown(
    pseudonym: str,
    mark: str,
    risk: Risk,
    cutoff: float,
    picture: bytes,
    warnings: Sequence[str],
) -> str:
    """Return what a run shows of one score.

    Parameters
    ----------
    pseudonym : str
        Whose score it is; never a name.
    mark : str
        What the bundle is marked as; empty for one that is marked as nothing.
    risk : Risk
        What the model says.
    cutoff : float
        Linear predictor above which risk is high.
    picture : bytes
        A PNG of the regions over the CT.
    warnings : sequence of str
        In full.
    """
    group = "High" if risk.high_risk else "Low"
    survival = ", ".join(
        f"{percent(alive)} after {horizon_words(days)}"
        for days, alive in sorted(risk.survival.items())
    )
    parts = [
        *([f"**{_plain(mark)}**"] if mark else []),
        f"## {group} risk: score {risk.linear_predictor:+.3f}",
        (
            f"Patient {_plain(pseudonym)}. Above the cut-off {cutoff:+.3f} the risk is high. "
            f"Predicted probability of being alive: {survival}."
        ),
        f"![GTV and ring over the CT](data:image/png;base64,{base64.b64encode(picture).decode()})",
        "### Warnings",
        "\n".join(f"- {_plain(warning)}" for warning in warnings) or "None.",
    ]
    return "\n\n".join(parts)


def _plain(words: str) -> str:
    """Return text that Markdown shows as it is."""
    return _MARKS.sub(r"\\\1", " ".join(words.split()))
