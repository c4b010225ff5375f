"""The patient's page: one A4 that tells what the model says of one patient, on what, and how sure
that is.

Everything on it is given; this module lays it out. A copy for the patient's own PACS names the
patient, any other copy the pseudonym alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from feature_store.radiomic_features.feature_words import in_words
from feature_store.wording import counted
from models.combined.combined_model import DEEP_BLOCK, Risk
from models.combined.explanation import Explanation, FeatureContribution
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.patient_plots import (
    PredictedSurvival,
    ScorePart,
    part_bars,
    predicted_survival_plot,
)
from validation_reports.page.pdf import pdf_on_one_sheet
from validation_reports.page.region_pictures import (
    CONTOUR_COLOUR,
    RING_COLOUR,
    WINDOW_HU,
    RegionPicture,
)
from validation_reports.report.latest_performance import CenterPerformance
from validation_reports.statistics.discrimination import Concordance
from validation_reports.wording import horizon_words, limits, number, percent

_TEMPLATES = Path(__file__).parent / "templates"
_SIZES_PT = (8.0, 7.2, 6.4, 5.6)
"""Sizes of the print that are tried; what fits on one sheet in none of them takes two in the last.
"""
Fact = tuple[str, str]


@dataclass(frozen=True)
class PatientPage:
    """What stands on a patient's page.

    Parameters
    ----------
    who : tuple of (str, str)
        Whose page it is: name, ID and birth date as received, or the pseudonym.
    mark : str
        What the bundle is marked as; empty for one that is marked as nothing.
    intended_use : str
        The bundle's own sentence.
    scored_at : datetime
        When, time-zone-aware.
    risk : Risk
        What the model says.
    cutoff : float
        Linear predictor above which risk is high.
    survival : PredictedSurvival
        The patient's curve and that of the cut-off.
    pictures : tuple of RegionPicture
        The measured regions over the CT.
    region_facts : tuple of (str, str)
        Each region and its size.
    parts : tuple of ScorePart
        What the score is made of; the sum is the linear predictor.
    warnings : tuple of str
        In full.
    certainty : str
        How sure the score is, as far as that is known.
    performance : CenterPerformance or NotEstimable
        What the centre's latest validation found.
    origin : tuple of (str, str)
        Model, contour, CT, software.
    replaces : str or None
        What this page replaces.
    """

    who: tuple[Fact, ...]
    mark: str
    intended_use: str
    scored_at: datetime
    risk: Risk
    cutoff: float
    survival: PredictedSurvival
    pictures: tuple[RegionPicture, ...]
    region_facts: tuple[Fact, ...]
    parts: tuple[ScorePart, ...]
    warnings: tuple[str, ...]
    certainty: str
    performance: CenterPerformance | NotEstimable
    origin: tuple[Fact, ...]
    replaces: str | None = None


def patient_pdf(page: PatientPage) -> bytes:
    """Lay the page out on one A4, in smaller print where there is much to say.

    Raises
    ------
    PdfUnavailableError
        If the system lacks the library for it.
    """
    return pdf_on_one_sheet(render_patient_page(page, size) for size in _SIZES_PT)


def render_patient_page(page: PatientPage, size_pt: float = 8.0) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    page : PatientPage
        What stands on it.
    size_pt : float
        Size of the print.

    Returns
    -------
    str
        A whole HTML document with its style and pictures inside; the same page gives the same text.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    level, width = WINDOW_HU
    moment = page.scored_at.astimezone(UTC)
    return environment.get_template("patient.html.j2").render(
        page=page,
        scored_at=f"{moment:%d %B %Y, %H:%M} UTC".lstrip("0"),
        group="high" if page.risk.high_risk else "low",
        horizons=[
            (horizon_words(days), percent(survival))
            for days, survival in sorted(page.risk.survival.items())
        ],
        # Our own SVG
        survival_plot=Markup(predicted_survival_plot(page.survival)),  # noqa: S704
        parts=list(zip(page.parts, _bars(page), strict=True)),
        pictures=[(one.title, Markup(one.svg)) for one in page.pictures],  # noqa: S704
        validation=performance_words(page.performance),
        colours=(CONTOUR_COLOUR, RING_COLOUR),
        window=f"level {level:g}, width {width:g} HU",
        size=size_pt,
    )


def _bars(page: PatientPage) -> list[Markup]:
    # Our own SVG
    return [
        Markup(bar)  # noqa: S704
        for bar in part_bars([part.contribution for part in page.parts])
    ]


def performance_words(found: CenterPerformance | NotEstimable) -> str:
    """Return what the latest validation at the centre found, in a sentence or two."""
    if isinstance(found, NotEstimable):
        return found.sentence
    c = found.concordance
    discrimination = (
        f"C-index {number(c.estimate)} {limits(c.lower, c.upper)}"
        if isinstance(c, Concordance)
        else c.sentence
    )
    return (
        f"{discrimination} in {counted(found.n, 'patient')} with "
        f"{counted(found.n_events, 'death')} at "
        f"this centre, {found.created_at:%d %B %Y}. Are the predicted risks right here? "
        f"{found.calibration_words}"
    )


def _part(one: FeatureContribution) -> ScorePart:
    words = in_words(one.feature)
    return ScorePart(words.name, words.meaning, one.contribution)


def score_parts(found: Explanation, kept: int = 8) -> tuple[ScorePart, ...]:
    """Return what a score is made of, in words: the largest features, all others as one part, and
    the network's features, which mean nothing one by one, as one.

    Parameters
    ----------
    found : Explanation
        From `models.combined.explanation.explain`.
    kept : int
        How many features stand alone.

    Returns
    -------
    tuple of ScorePart
        Their sum is the linear predictor.
    """
    deep = [one.contribution for one in found.contributions if one.block == DEEP_BLOCK]
    radiomic = [one for one in found.contributions if one.block != DEEP_BLOCK]
    parts = [_part(one) for one in radiomic[:kept]]
    others = [one.contribution for one in radiomic[kept:]]
    if others:
        parts.append(
            ScorePart(f"{counted(len(others), 'other feature')} together", "", sum(others))
        )
    if deep:
        name = f"Network: {counted(len(deep), 'feature')} of the image of the GTV together"
        parts.append(ScorePart(name, "", sum(deep)))
    return tuple(parts)
