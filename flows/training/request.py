"""What a training is asked for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.combined.sample_splitting import DeepFeatures
from models.combined.signature import SelectionSettings
from models.survival.lasso_cross_validation import LambdaRule


class RingChoice(StrEnum):
    """Which ring a model reads."""

    PAPER = "6mm"
    BEST = "best"


class TrainingRequest(BaseModel):
    """What to train on and where to put the result."""

    model_config = ConfigDict(extra="forbid")

    center: str = Field(description="Training centre, as the settings file names it.")
    bundle: Path = Field(description="Folder of the new bundle; it must not hold another one.")
    name: str = Field(default="annulus", description="Name of the model.")
    version: str = Field(default="1", description="Version of the model.")
    seed: int = Field(default=20260101, ge=0, description="Seed of everything random.")
    network_epochs: int = Field(
        default=100, ge=1, le=10_000, description="Epochs of the network, at most."
    )
    lambda_rule: LambdaRule = Field(
        default=LambdaRule.MIN,
        description="Penalty of the Lasso: smallest deviance, or 1se for fewer features.",
    )
    squeeze_excitation: bool = Field(
        default=True, description="False trains the ablation without SE modules."
    )
    bootstraps: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="Bootstrap samples that take the optimism off the performance; 0 for none.",
    )
    folds: int = Field(
        default=5,
        ge=0,
        le=100,
        description="Folds of the cross-validation of the whole pipeline, a network in each; 0 "
        "for none.",
    )
    fold_epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Epochs of each fold's network, at most; default: as many as the network's.",
    )
    fold_hours: float | None = Field(
        default=None,
        gt=0,
        description="Hours after which no further fold begins; default: no limit.",
    )
    deep_features: DeepFeatures = Field(
        default=DeepFeatures.SAME,
        description="Whether signatures and Cox model learn from the patients that taught the "
        "network, as in the paper (same), or from others (held-out).",
    )
    both_ways: bool = Field(
        default=False,
        description="Whether the other of these two ways is cross-validated too.",
    )
    least_deaths_per_component: float = Field(
        default=5.0,
        ge=0,
        description="A model with fewer deaths for each component of its Cox model is refused.",
    )
    robust: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Intraclass correlation over perturbed contours of the training patients that "
        "a feature must reach to enter the selection; default: all features enter.",
    )
    store_versions: dict[str, int] | None = Field(
        default=None,
        description="Versions of the feature store's tables to train on; default: the newest.",
    )
    ring: RingChoice = Field(
        default=RingChoice.PAPER,
        description="The ring of the model: 6mm, as in the paper, or best, the one that says most "
        "together with the tumour (Table 3), chosen anew in each fold.",
    )
    demonstration: bool = Field(
        default=False, description="Mark the bundle as not for clinical use."
    )

    @field_validator("folds")
    @classmethod
    def _one_is_none(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("One fold leaves nobody to train on: use 2 or more, or 0 for none.")
        return folds

    def selection(self) -> SelectionSettings:
        """Return how features are selected."""
        return SelectionSettings(lambda_rule=self.lambda_rule)

    @property
    def chooses_ring(self) -> bool:
        """Whether the training patients choose the ring."""
        return self.ring is RingChoice.BEST
