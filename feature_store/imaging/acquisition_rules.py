"""What the paper's protocol has of a CT's acquisition: its facts, and the rules on them.

A new departure from the protocol is a fact, where none says it yet, and one more row of
`PROTOCOL_RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass

from feature_store.imaging.ct_headers import Acquisition
from feature_store.rules import TRUE, Between, OneOf, warning

KNOWN_VENDORS = (
    "siemens",
    "ge medical systems",
    "philips",
    "toshiba",
    "canon",
    "cms, inc.",
    "hitachi",
    "fujifilm",
)


@dataclass(frozen=True, kw_only=True)
class AcquisitionFacts:
    """Facts of how a CT was acquired; what is not known is `None`.

    Parameters
    ----------
    kvp, slice_thickness_mm : float or None
        From the acquisition, in kV and mm.
    rows, columns : int
        Size of a slice in pixels.
    manufacturer : str or None
        Vendor of the scanner.
    missing_tags : tuple of str
        Keywords of acquisition tags that are absent or empty.
    """

    kvp: float | None
    slice_thickness_mm: float | None
    rows: int
    columns: int
    manufacturer: str | None
    missing_tags: tuple[str, ...]

    @property
    def matrix(self) -> str:
        """Rows and columns in words."""
        return f"{self.rows} x {self.columns}"

    @property
    def known_vendor(self) -> bool | None:
        """Whether the vendor is one of those that are known."""
        if not self.manufacturer:
            return None
        return self.manufacturer.casefold().startswith(KNOWN_VENDORS)


def acquisition_facts(acquisition: Acquisition) -> AcquisitionFacts:
    """Take from an acquisition what the protocol speaks of."""
    return AcquisitionFacts(
        **{name: getattr(acquisition, name) for name in AcquisitionFacts.__dataclass_fields__}
    )


PROTOCOL_RULES = (
    warning(
        "kvp",
        "kvp",
        Between(120, 120),
        "120 kV",
        lambda f: f"The tube voltage is {f.kvp:g} kV, expected 120 kV.",
    ),
    warning(
        "slice-thickness",
        "slice_thickness_mm",
        Between(2, 5),
        "slices of 2 to 5 mm",
        lambda f: f"The slice thickness is {f.slice_thickness_mm:g} mm, expected 2 to 5 mm.",
    ),
    warning(
        "matrix",
        "matrix",
        OneOf(("512 x 512",)),
        "512 x 512 pixels",
        lambda f: f"The CT slices have {f.matrix} pixels, expected 512 x 512.",
    ),
    warning(
        "vendor",
        "known_vendor",
        TRUE,
        "a scanner of a known vendor",
        lambda _: "The vendor of the scanner is not one of those that are known.",
    ),
    warning(
        "missing-tags",
        "missing_tags",
        Between(None, 0),
        "a CT header that tells the acquisition",
        lambda f: (
            f"The CT header does not say {', '.join(f.missing_tags)}, expected by the protocol."
        ),
    ),
)
"""How the paper's CTs were acquired (paper, data); another CT is scored with a warning."""
