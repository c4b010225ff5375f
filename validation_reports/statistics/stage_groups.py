"""Overall stage in the two groups that the report compares: early (I-II) and advanced (III-IV).

References
----------
.. [1] Rami-Porta R, Nishimura KK, Giroux DJ et al. J Thorac Oncol 2024;19:1007-1027 (stages of lung
    cancer with their sub-stages; occult carcinoma and stage 0 come before stage I).
"""

from __future__ import annotations

import re

import pandas as pd

EARLY, ADVANCED = "I-II", "III-IV"
_NUMERALS = {"OCCULT": 0, "0": 0, "I": 1, "II": 2, "III": 3, "IV": 4}
_ONE = r"(OCCULT|0|IV|III|II|I)(?:[ABC][1-3]?)?"
_SUB_STAGE = re.compile(r"[ABC][1-3]?$")
_STAGE = re.compile(rf"{_ONE}(?:-{_ONE})?")


def stage_number(stage: object) -> int | None:
    """Return 0 for stage 0 and occult carcinoma, else 1 to 4; `None` where no stage is known.

    Parameters
    ----------
    stage : object
        ``IIIA``, ``IA1``, ``0``, ``occult``, or a range such as ``I-II``, which has the number of
        its first; anything else is no stage.
    """
    found = _STAGE.fullmatch(str(stage).strip().upper())
    return _NUMERALS[found[1]] if found else None


def stage_group(stage: object) -> str | None:
    """Return `EARLY` or `ADVANCED`; `None` where it is neither: stage 0, occult carcinoma, a range
    over both groups, or no stage that is known.
    """
    advanced = is_advanced(stage)
    if advanced is None or not stage_number(stage):
        return None
    return ADVANCED if advanced else EARLY


def is_advanced(stage: object) -> bool | None:
    """Whether it is stage III or IV, with every sub-stage; `None` where that is not known."""
    found = _STAGE.fullmatch(str(stage).strip().upper())
    if not found:
        return None
    ends = {_NUMERALS[numeral] >= 3 for numeral in found.groups() if numeral}
    return ends.pop() if len(ends) == 1 else None


def known_stages(stages: pd.Series[str]) -> pd.Series[bool]:
    """Return of which patients a stage is known."""
    return stages.map(lambda stage: stage_number(stage) is not None).astype(bool)


def without_sub_stage(stage: str) -> str:
    """Return a stage without the letter and number of its sub-stage: ``I`` for ``IA1``."""
    return _SUB_STAGE.sub("", stage)


def equally_deep(*columns: pd.Series[str]) -> tuple[pd.Series[str], ...]:
    """Return stages of several cohorts, told as finely by each: where one of them writes ``III``,
    another's ``IIIA`` and ``IIIB`` are ``III`` too.

    Parameters
    ----------
    *columns : Series
        Stages of each cohort's patients; missing values stay.
    """
    told = {str(stage) for column in columns for stage in column.dropna()}
    bare = {stage for stage in told if without_sub_stage(stage) == stage}

    def shortened(stage: object) -> object:
        return group if (group := without_sub_stage(str(stage))) in bare else stage

    return tuple(
        column.map(lambda stage: shortened(stage) if isinstance(stage, str) else stage)
        for column in columns
    )


def in_order(stages: set[str]) -> list[str]:
    """Return known stages from the earliest to the latest; of several joined by ``+`` the first
    counts.
    """
    return sorted(stages, key=lambda stage: (stage_number(stage.partition("+")[0]), stage))
