"""How features were made that come from elsewhere: what their table or a person says of it, and
whether that is how other features were made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from feature_store.radiomic_features.settings import ExtractionSettings

UNKNOWN = "unknown"
"""Nobody says."""
NOT_USED = "not used"
"""The features do not depend on it."""
_MARK = "made_elsewhere"


def _number(text: str) -> str:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("Expected a number above 0.")
    return f"{value:g}"


def _yes_or_no(text: str) -> str:
    known = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false"}
    known["0"] = "false"
    if text.lower() not in known:
        raise ValueError("Expected true or false.")
    return known[text.lower()]


def _three_numbers(text: str) -> str:
    parts = text.replace(",", " ").replace("x", " ").split()
    if len(parts) not in {1, 3}:
        raise ValueError("Expected one number, or three.")
    return " ".join(_number(part) for part in (parts * 3 if len(parts) == 1 else parts))


def _word(text: str) -> str:
    if not (0 < len(text) <= 40 and text.replace(".", "").replace("-", "").isalnum()):
        raise ValueError("Expected a short word.")
    return text


def _version(text: str) -> str:
    return _word(text.removeprefix("v").removeprefix("V"))


NAMES: dict[str, tuple[str, Callable[[str], str]]] = {
    "version": ("PyRadiomics' version, such as 3.0.1", _version),
    "bin_width": ("the width of a grey-level bin, a number above 0", _number),
    "normalize": ("whether images are normalised, true or false", _yes_or_no),
    "normalize_scale": ("the factor after normalisation, a number above 0", _number),
    "spacing_mm": ("the voxels that are measured in mm, one number or three", _three_numbers),
    "interpolator": ("the interpolation of images, such as sitkBSpline", _word),
    "wavelet": ("the wavelet, such as coif1", _word),
}
"""What may be stated of features: by its name, what it is, and how its value is read."""
OTHER = "other"
"""Every other setting that changes values and is not PyRadiomics' default, as JSON."""


@dataclass(frozen=True)
class OriginSettings:
    """How features were made elsewhere.

    Parameters
    ----------
    values : mapping of str to str
        Each of `NAMES`, and `OTHER`; `UNKNOWN` where nobody says, `NOT_USED` where the features do
        not depend on it.

    Raises
    ------
    ValueError
        If a name is lacking or unknown.
    """

    values: Mapping[str, str]

    def __post_init__(self) -> None:
        if set(self.values) != {*NAMES, OTHER}:
            raise ValueError(
                f"Settings of features have {sorted(self.values)}, expected "
                f"{sorted([*NAMES, OTHER])}."
            )
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def to_json(self) -> str:
        """Return the settings as canonical JSON, marked as those of features made elsewhere."""
        return json.dumps({_MARK: dict(self.values)}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> OriginSettings:
        """Read what `to_json` wrote; `ValueError` where it is something else."""
        content = json.loads(text)
        if not isinstance(content, dict) or set(content) != {_MARK}:
            raise ValueError("These are not the settings of features that were made elsewhere.")
        return cls(content[_MARK])

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, lowercase hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def in_words(self) -> str:
        """Which software made them, for people."""
        version = self.values["version"]
        return "PyRadiomics" + (
            f" {version}" if version != UNKNOWN else ", in a version that nobody states"
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of what nobody says."""
        return tuple(name for name in NAMES if self.values[name] == UNKNOWN)


def made_here(settings: ExtractionSettings) -> OriginSettings:
    """Return how features are made here, in the words of a table that PyRadiomics would write.

    Parameters
    ----------
    settings : ExtractionSettings
        How they are made.
    """
    own = {
        name: getattr(settings, name)
        for name, usual in (("normalize_over", "image"), ("ring_tissue", "all"))
        if getattr(settings, name) != usual
    }
    return OriginSettings(
        {
            "version": settings.engine.split()[-1],
            "bin_width": _number(str(settings.bin_width)),
            "normalize": str(settings.normalize).lower(),
            "normalize_scale": _number(str(settings.normalize_scale))
            if settings.normalize
            else NOT_USED,
            "spacing_mm": _three_numbers(str(settings.spacing_mm)),
            "interpolator": "sitkBSpline",
            "wavelet": settings.wavelet,
            OTHER: json.dumps(own, sort_keys=True),
        }
    )


def differences(one: OriginSettings, other: OriginSettings) -> tuple[str, ...]:
    """Return in which settings features of `one` certainly differ from those of `other`, each as a
    part of a sentence.
    """
    found = []
    for name in (*NAMES, OTHER):
        here, there = one.values[name], other.values[name]
        if here != there and not {here, there} & {UNKNOWN, NOT_USED}:
            found.append(f"{name} is {here}, expected {there}")
    return tuple(found)


def open_questions(one: OriginSettings, other: OriginSettings) -> tuple[str, ...]:
    """Return the names of settings of which nobody says that they are the same."""
    return tuple(name for name in NAMES if UNKNOWN in {one.values[name], other.values[name]})
