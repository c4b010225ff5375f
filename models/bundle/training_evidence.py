"""What the training itself says of a model: how the network learnt, which region said most, how
much is optimism.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.combined.optimism import InternalValidation
from models.combined.region_comparison import RegionResult
from models.network.checkpoint import Epoch


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
    """

    curve: tuple[Epoch, ...] = ()
    comparison: tuple[RegionResult, ...] = ()
    internal: InternalValidation | None = None

    def to_record(self) -> dict[str, Any]:
        """Return plain values, from which `from_record` makes the same evidence."""
        internal = None
        if self.internal is not None:
            internal = {
                name: getattr(self.internal, name)
                for name in InternalValidation.__dataclass_fields__
            }
            internal["stability"] = dict(self.internal.stability)
            internal["redundant"] = [list(pair) for pair in self.internal.redundant]
        return {
            "curve": [asdict(epoch) for epoch in self.curve],
            "comparison": [
                {**asdict(result), "regions": list(result.regions)} for result in self.comparison
            ],
            "internal": internal,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TrainingEvidence:
        """Make evidence from `to_record`'s answer."""
        return cls(
            tuple(Epoch(**epoch) for epoch in record["curve"]),
            tuple(RegionResult(**result) for result in record["comparison"]),
            None if record["internal"] is None else InternalValidation(**record["internal"]),
        )
