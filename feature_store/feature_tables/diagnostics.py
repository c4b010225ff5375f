"""What PyRadiomics' diagnostics columns say of how the features beside them were made."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.feature_tables.origin_settings import (
    NAMES,
    NOT_USED,
    OTHER,
    UNKNOWN,
    OriginSettings,
)

PREFIX = "diagnostics_"
_VERSION = "versions_pyradiomics"
_SETTINGS = "configuration_settings"
_IMAGES = "configuration_enabledimagetypes"
_SPACING = "image-original_spacing"
READ = tuple(f"{PREFIX}{name}" for name in (_VERSION, _SETTINGS, _IMAGES, _SPACING))
"""The columns that are read, in lower case; the others hold digests of images, which are not."""

_LONGEST = 20_000
_UNREADABLE = ""
_HARMLESS = frozenset(
    {
        "minimumROIDimensions", "minimumROISize", "geometryTolerance", "correctMask",
        "additionalInfo", "label", "label_channel", "padDistance", "preCrop", "kernelRadius",
        "maskedKernel", "initValue", "voxelBatch", "enableCExtensions", "sigma", "wavelet",
        "binWidth", "normalize", "normalizeScale", "resampledPixelSpacing", "interpolator",
    }
)  # fmt: skip
"""Settings that change no value of a feature, or that stand under a name of their own."""
_USUAL = {
    "removeOutliers": None,
    "force2D": False,
    "force2Ddimension": 0,
    "resegmentRange": None,
    "resegmentMode": "absolute",
    "resegmentShape": False,
    "distances": [1],
    "symmetricalGLCM": True,
    "weightingNorm": None,
    "gldm_a": 0,
    "voxelArrayShift": 0,
    "binCount": None,
    "start_level": 0,
    "level": 1,
}
"""PyRadiomics' defaults of those that do."""


def settings_said(cells: Mapping[str, str]) -> dict[str, str]:
    """Return what one line's diagnostics say, by the names of `OriginSettings`; what they leave out
    is absent.

    Parameters
    ----------
    cells : mapping of str to str
        Cells by the column's name in lower case, some of `READ`.

    Raises
    ------
    FeatureTableError
        If a cell is not what PyRadiomics writes.
    """
    found: dict[str, Any] = {}
    if version := cells.get(PREFIX + _VERSION):
        found["version"] = version
    settings = _literal(cells, _SETTINGS)
    images = _literal(cells, _IMAGES)
    if settings is not None:
        found["normalize"] = str(settings.get("normalize", False))
        found["normalize_scale"] = str(settings.get("normalizeScale", 1))
        if settings.get("binCount") is None:
            found["bin_width"] = str(settings.get("binWidth", 25))
        else:
            found["bin_width"] = NOT_USED
        found["interpolator"] = str(settings.get("interpolator", "sitkBSpline"))
        spacing = settings.get("resampledPixelSpacing")
        if spacing is None:
            spacing, found["interpolator"] = cells.get(PREFIX + _SPACING), NOT_USED
        if spacing:
            found["spacing_mm"] = str(spacing).strip("()[] ")
        found[OTHER] = _other(settings)
    if images is not None and "Wavelet" in images:
        own = images["Wavelet"] if isinstance(images["Wavelet"], dict) else {}
        found["wavelet"] = str(own.get("wavelet", (settings or {}).get("wavelet", "coif1")))
    return {name: str(value) for name, value in found.items()}


def origin_settings(
    said: Mapping[str, str], stated: Mapping[str, str], features: Collection[str]
) -> OriginSettings:
    """Put together what a table says and what a person states.

    Parameters
    ----------
    said : mapping of str to str
        As `settings_said` returns it.
    stated : mapping of str to str
        The same, by a person; ``unknown`` where nobody knows.
    features : collection of str
        Names of the features of the table.

    Raises
    ------
    FeatureTableError
        If a statement contradicts the table or cannot be read, or something is said by neither.
    """
    values: dict[str, str] = {OTHER: said.get(OTHER, UNKNOWN)}
    lacking = []
    for name, (what, read) in NAMES.items():
        of_table = _read(said.get(name), read)
        of_person = _read(stated.get(name), read)
        for value, who in ((of_table, "the diagnostics columns say"), (of_person, "is stated")):
            if value == _UNREADABLE:
                raise FeatureTableError(
                    f"What {who} of {name} cannot be read, expected {what}, or {UNKNOWN}."
                )
        if of_table is not None and of_person not in {None, UNKNOWN, of_table}:
            raise FeatureTableError(
                f"It is stated that {name} is {of_person}, but the diagnostics columns of the "
                f"table say {of_table}: leave the statement out, or import another table."
            )
        if of_table is not None or of_person is not None:
            values[name] = of_table if of_table is not None else str(of_person)
        elif _is_used(name, values, features):
            lacking.append(name)
        else:
            values[name] = NOT_USED
        if not _is_used(name, values, features):
            values[name] = NOT_USED
    if lacking:
        raise FeatureTableError(
            f"The table does not say how its features were made, {', '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} missing: state "
            f"{'it' if len(lacking) == 1 else 'each'} with --stated NAME=VALUE, such as --stated "
            f"{lacking[0]}=VALUE, or {lacking[0]}={UNKNOWN} where nobody knows."
        )
    return OriginSettings(values)


def _is_used(name: str, values: Mapping[str, str], features: Collection[str]) -> bool:
    if name == "normalize_scale":
        return values.get("normalize") != "false"
    if name == "interpolator":
        return values.get("spacing_mm") != NOT_USED
    if name == "wavelet":
        return any(feature.startswith("wavelet-") for feature in features)
    return True


def _read(text: str | None, read: Callable[[str], str]) -> str | None:
    """Return a value as `NAMES` has it; it is not told what stood there, which may be anything."""
    if text is None or text in {UNKNOWN, NOT_USED}:
        return text
    try:
        return read(text.strip())
    except ValueError:
        return _UNREADABLE


def _literal(cells: Mapping[str, str], name: str) -> dict[str, Any] | None:
    text = cells.get(PREFIX + name)
    if not text:
        return None
    try:
        value = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FeatureTableError(
            f"The column {PREFIX}{name} does not hold what PyRadiomics writes there, expected its "
            "settings between braces: export the table again, or delete the column and state them."
        )
    return value


def _other(settings: Mapping[Any, Any]) -> str:
    """Return the settings that change values and are not PyRadiomics' defaults."""
    found = {}
    for name, value in settings.items():
        plain = list(value) if isinstance(value, tuple) else value
        if str(name) in _HARMLESS or (str(name) in _USUAL and plain == _USUAL[str(name)]):
            continue
        numbers = isinstance(plain, bool | int | float | type(None)) or (
            isinstance(plain, list) and all(isinstance(one, int | float) for one in plain)
        )
        # texts may be anything, a path among them
        found[str(name)[:40]] = plain if numbers else "set"
    return json.dumps(found, sort_keys=True)
