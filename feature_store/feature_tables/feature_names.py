"""Which columns of a table are features, whatever stands around their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feature_store.feature_tables.diagnostics import PREFIX
from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.radiomic_features.settings import (
    FEATURE_NAMES,
    FEATURES_BY_CLASS,
    WAVELET_BANDS,
)
from feature_store.wording import counted

_BY_LOWER_NAME = {name.lower(): name for name in FEATURE_NAMES}
_FULL = re.compile(
    r"(?P<before>.*?)(?P<name>(?:original|square|squareroot|logarithm|exponential|gradient|"
    r"wavelet\d*-[hl]{2,3}|log-sigma-[\d-]+-mm-3d|lbp-[23]d-[a-z0-9]+)_"
    r"(?:shape2?d?|firstorder|glcm|gldm|glrlm|glszm|ngtdm)_[a-z0-9]+)"
)
_BARE = re.compile(r"(?:(?:wavelet[-_ ])?(?P<band>[hl]{3})[ _-])?(?P<feature>[a-z0-9]+)")
_CLASSES = {
    group: {feature.lower(): feature for feature in features}
    for group, features in FEATURES_BY_CLASS.items()
}
_DEPRECATED = frozenset(
    {
        "standarddeviation", "compactness1", "compactness2", "sphericaldisproportion", "volume",
        "sumvariance", "dissimilarity", "homogeneity1", "homogeneity2", "sumaverage2",
    }
)  # fmt: skip
"""Features of earlier releases of PyRadiomics, which say nothing new."""


@dataclass(frozen=True)
class FeatureColumns:
    """The features of a table.

    Parameters
    ----------
    places : mapping of int to str
        PyRadiomics' name by the column's place, from 0.
    remarks : tuple of str
        Sentences on what was taken for what.
    """

    places: Mapping[int, str]
    remarks: tuple[str, ...]


def feature_columns(header: Sequence[str]) -> FeatureColumns:
    """Find the features among the columns of a table.

    Names are read whatever the case of their letters and whatever one prefix they share. Names
    without image and class, as some published tables have them, are taken for those of the only
    class that has all of them.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.

    Raises
    ------
    FeatureTableError
        If there is none, one stands there twice, or it cannot be told which they are.
    """
    remarks: list[str] = []
    places: dict[int, str] = {}
    others = 0
    prefixes: dict[str, int] = {}
    bare: dict[int, str] = {}
    for place, written in enumerate(header):
        name = written.strip().lower()
        if name.startswith(PREFIX):
            continue
        found = _FULL.fullmatch(name)
        if found is None:
            bare[place] = name
        elif found["name"] in _BY_LOWER_NAME:
            places[place] = _BY_LOWER_NAME[found["name"]]
            prefixes.setdefault(found["before"], place)
        else:
            others += 1
    if len(prefixes) > 1:
        first, second, *_ = sorted(prefixes)
        raise FeatureTableError(
            f"Names of features begin in {counted(len(prefixes), 'way')}, such as {_shown(first)} "
            f"and {_shown(second)}, as if several regions stood side by side, expected one region "
            "in a table or a column that names it: split the table."
        )
    if any(prefixes):
        remarks.append(f"Names of features are read without {_shown(next(iter(prefixes)))}.")
    if not places:
        places, inferred = _of_bare_names(bare)
        remarks += inferred
    if others:
        remarks.append(
            f"{counted(others, 'feature')} that this software does not compute "
            f"{'is' if others == 1 else 'are'} left out."
        )
    if not places:
        raise FeatureTableError(
            "The table has no column that is a radiomic feature: expected PyRadiomics' names, such "
            "as original_firstorder_Mean."
        )
    _refuse_twice(places, header)
    return FeatureColumns(places, tuple(remarks))


def _of_bare_names(bare: Mapping[int, str]) -> tuple[dict[int, str], list[str]]:
    """Return features whose names lack image and class, and what they were taken for."""
    by_image: dict[str, dict[int, str]] = {}
    for place, name in bare.items():
        found = _BARE.fullmatch(name)
        if found is None or not any(found["feature"] in names for names in _CLASSES.values()):
            continue
        band = (found["band"] or "").upper()
        image = f"wavelet-{band}" if band in WAVELET_BANDS else "original"
        by_image.setdefault(image, {})[place] = found["feature"]
    places, remarks = {}, []
    for image, features in by_image.items():
        groups = [
            group for group, names in _CLASSES.items() if set(features.values()) <= set(names)
        ]
        if len(features) < 2:
            continue
        if len(groups) != 1 or (image != "original" and groups == ["shape"]):
            raise FeatureTableError(
                f"Columns with names of features without image and class: {len(features)}. They "
                f"fit {' and '.join(groups) or 'no class alone'}: write PyRadiomics' whole names, "
                "such as original_glcm_Contrast."
            )
        (group,) = groups
        for place, feature in features.items():
            places[place] = f"{image}_{group}_{_CLASSES[group][feature]}"
        remarks.append(
            f"Columns without image and class that are taken for {image}_{group}: {len(features)}."
        )
    left = sum(name in _DEPRECATED for name in bare.values())
    if places and left:
        remarks.append(
            f"{counted(left, 'feature')} of earlier releases of PyRadiomics "
            f"{'is' if left == 1 else 'are'} left out."
        )
    return places, remarks


def _refuse_twice(places: Mapping[int, str], header: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for place, name in places.items():
        if name in seen:
            raise FeatureTableError(
                f"The feature {name} stands in the columns {seen[name] + 1} and {place + 1} of "
                f"{len(header)}, expected once: delete one."
            )
        seen[name] = place


def _shown(prefix: str) -> str:
    """Return what stands before names, if it is a plain word."""
    if not prefix:
        return "nothing"
    return repr(prefix) if re.fullmatch(r"[a-z0-9 _.:-]{1,20}", prefix) else "other texts"
