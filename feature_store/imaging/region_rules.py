"""What must hold of the regions on the harmonised grid: their facts, and the rules on them.

A new defect is a fact, where none says it yet, and one more row of `REGION_RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass

from feature_store.errors import RegionError
from feature_store.rules import Between, Rule, warning
from feature_store.wording import counted

LEAST_VOXELS = 27
"""Fewer voxels than a cube of 3 x 3 x 3 have no neighbourhood in every direction, hence no texture.
"""
GTV_VOXELS = (500, 1_500_000)
"""Plausible size of a GTV at 1 mm: 0.5 to 1500 cm3."""

GTV_OUTSIDE_BODY = 0.05
"""A contour may be drawn a little beyond the skin, and the skin be found a voxel beside it."""


@dataclass(frozen=True, kw_only=True)
class RegionFacts:
    """Facts of a study's regions; what is not known is `None`.

    Parameters
    ----------
    gtv_voxels : int
        Voxels of the GTV on the harmonised grid.
    ring_share_beyond_ct : float or None
        The largest share of a ring that lies beyond the CT.
    gtv_outside_body : float or None
        Share of the GTV outside the body.
    impossible_features : tuple of str
        Features whose value their definition excludes, with the region before a colon.
    """

    gtv_voxels: int
    ring_share_beyond_ct: float | None = None
    gtv_outside_body: float | None = None
    impossible_features: tuple[str, ...] = ()


REGION_RULES = (
    Rule(
        "gtv-too-small",
        "gtv_voxels",
        Between(LEAST_VOXELS),
        f"a GTV of at least {LEAST_VOXELS} voxels at 1 mm",
        lambda f: (
            f"The GTV has {counted(f.gtv_voxels, 'voxel')}, expected at least {LEAST_VOXELS}. "
            "Check that "
            "the contour is the tumour, in the scale of this CT."
        ),
        error=RegionError,
    ),
    Rule(
        "impossible-features",
        "impossible_features",
        Between(None, 0),
        "values of the features that their definitions allow",
        lambda f: (
            f"The features have {counted(len(f.impossible_features), 'value')} that a definition "
            f"excludes (such as that of {f.impossible_features[0]}), expected none. Check the "
            "values of the CT in and around the GTV; if they are right, report it as a fault of "
            "this software."
        ),
    ),
    warning(
        "gtv-volume",
        "gtv_voxels",
        Between(*GTV_VOXELS),
        "a GTV of 0.5 to 1500 cm³",
        lambda f: (
            f"The GTV has {f.gtv_voxels / 1000:g} cm3, expected 0.5 to 1500 cm3. Check that the "
            "contour is the whole tumour and nothing else."
        ),
    ),
    warning(
        "gtv-outside-body",
        "gtv_outside_body",
        Between(None, GTV_OUTSIDE_BODY),
        "a GTV within the body",
        lambda f: (
            f"{f.gtv_outside_body:.0%} of the GTV lies outside the body, expected at most "
            f"{GTV_OUTSIDE_BODY:.0%}. Check that the contour lies on the tumour and not beside it."
        ),
    ),
    warning(
        "ring-cut",
        "ring_share_beyond_ct",
        Between(None, 0),
        "tissue all around the GTV, as far as the ring reaches",
        lambda f: (
            f"The CT ends within a ring around the GTV: {f.ring_share_beyond_ct:.1%} of the ring "
            "lies beyond it, expected none. What is left is measured. Send a CT that goes on "
            "around the tumour, if there is one."
        ),
    ),
)
