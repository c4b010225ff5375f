"""What a biostatistician asks of `validate-cohort`: the form in the Prefect UI, and the JSON on the
command line.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from feature_store.clinical_records import Histology, Sex, StageGroup
from flows.runs.parameters import Centers, at_most
from validation_reports.cohort.selection import CohortSelection

MOST_HORIZONS = 12
"""Each has its curves, tables and bootstraps; hundreds of them fill the memory."""


class CohortQuery(BaseModel):
    """Whom to validate on; what is left empty takes everybody."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        default="ad-hoc",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description=(
            "Name of the report: up to 64 letters, digits, hyphens and underscores, the first a "
            "letter or digit."
        ),
    )
    centers: Centers = Field(
        min_length=1, description="External centres, as the settings file names them."
    )
    stages: Annotated[list[StageGroup], at_most(len(StageGroup))] = Field(
        default=[], description="Only these groups of the overall stage."
    )
    histologies: Annotated[list[Histology], at_most(len(Histology))] = Field(
        default=[], description="Only these histologies."
    )
    sexes: Annotated[list[Sex], at_most(len(Sex))] = Field(
        default=[], description="Only patients of this sex."
    )
    scored_from: date | None = Field(
        default=None, description="First day of scoring (UTC), like 2026-01-31."
    )
    scored_until: date | None = Field(
        default=None, description="Last day of scoring (UTC), included, like 2026-06-30."
    )
    patients: Annotated[list[str], at_most(20_000)] = Field(
        default=[],
        description="Only these patients, by their pseudonyms or those of their studies.",
    )
    horizons_days: Annotated[
        list[Annotated[int, Field(gt=0, le=36525)]], at_most(MOST_HORIZONS)
    ] = Field(
        default=[],
        description=(
            "Days after the start of radiotherapy to look at, at most 12 of them; by default those "
            "of the model."
        ),
    )
    model_digest: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{12,64}$",
        description="Digest in small letters, or its first 12 digits or more, of the bundle whose "
        "scores are validated: the pinned one, or one under model.earlier in the settings.",
    )
    combat: bool = Field(
        default=False,
        description=(
            "Align each centre's features with the training centre's by ComBat and score again."
        ),
    )
    as_of: str | None = Field(
        default=None,
        description="Look as an earlier report did (the name of its folder), or as of a time with "
        "its zone, like 2026-01-31T12:00Z; by default at what is there now.",
    )
    seed: int = Field(
        default=20260101,
        ge=0,
        le=2**63 - 1,
        description="Seed of everything random, a whole number.",
    )

    @model_validator(mode="after")
    def _dates_are_in_order(self) -> Self:
        if self.scored_from and self.scored_until and self.scored_from > self.scored_until:
            raise ValueError(
                f"scored_from is {self.scored_from} and scored_until is {self.scored_until}: "
                "expected the earlier first."
            )
        return self

    @property
    def takes_whole_centers(self) -> bool:
        """Whether it takes every patient of its centres as they are now, with the scores that they
        were given.
        """
        return not self.combat and self.as_of is None and self.selection() == CohortSelection()

    def selection(self) -> CohortSelection:
        """Return the criteria as the statistics take them."""
        return CohortSelection(
            stages=frozenset(self.stages),
            histologies=frozenset(self.histologies),
            sexes=frozenset(self.sexes),
            scored_from=self.scored_from,
            scored_until=self.scored_until,
            patients=frozenset(self.patients),
        )
