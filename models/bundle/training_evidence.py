"""What the training itself says of a model: how the network learnt, which region said most, how
much is optimism.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from models.combined.cross_validation import CrossValidation
from models.combined.optimism import InternalValidation
from models.combined.region_comparison import RegionResult
from models.combined.robustness import Robustness
from models.combined.sample_splitting import DeepFeatures
from models.network.checkpoint import Epoch
from models.network.engines import GraphCheck


@dataclass(frozen=True)
class TrainingEvidence:
    """Everything that a model card shows beside the model's numbers; each part may be absent.

    Parameters
    ----------
    curve : tuple of Epoch
        The network's epochs.
    comparison : tuple of RegionResult
        Signatures of the regions (paper, Table 3).
    internal : InternalValidation or None
        Performance corrected for optimism, stability, redundancy.
    images : tuple of tuple of str
        Digests of the pixels of the CTs that trained it, which some earlier releases wrote without
        salt; newer bundles have `models.bundle.training_digests`.
    graph : GraphCheck or None
        How the network's ONNX graph compared with Keras; `None` in bundles of earlier releases.
    cross_validations : tuple of CrossValidation
        The whole pipeline in patients whom nothing of it had seen, in the model's own way first;
        empty where it was not asked for, and in bundles of earlier releases.
    deep_features : DeepFeatures
        Whether signatures and Cox model learnt from the patients that taught the network.
    n_network : int
        Patients that taught the network; 0 in bundles of earlier releases, where they were those of
        the model.
    chose_ring : bool
        Whether the training patients chose the ring, anew in each fold and resample.
    robustness : Robustness or None
        Which features were nearly the same over perturbed contours; `None` where all features could
        be selected.
    """

    curve: tuple[Epoch, ...] = ()
    comparison: tuple[RegionResult, ...] = ()
    internal: InternalValidation | None = None
    images: tuple[tuple[str, ...], ...] = field(default=(), metadata={"later": True})
    graph: GraphCheck | None = field(default=None, metadata={"later": True})
    cross_validations: tuple[CrossValidation, ...] = field(default=(), metadata={"later": True})
    deep_features: DeepFeatures = field(default=DeepFeatures.SAME, metadata={"later": True})
    n_network: int = field(default=0, metadata={"later": True})
    chose_ring: bool = field(default=False, metadata={"later": True})
    robustness: Robustness | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "deep_features", DeepFeatures(self.deep_features))
