"""Which study of a patient counts: the CT that was acquired first, and of that CT the content that
was read last, whatever was scored or extracted again since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from feature_store.study_identity import StudyIdentity


@dataclass(frozen=True)
class FirstStudy:
    """The study content of a patient that counts.

    Parameters
    ----------
    identity : StudyIdentity
        The content.
    n_cts : int
        Planning CTs of the patient among which it is.
    order_known : bool
        Whether the order of their acquisition is known; otherwise the one that was read first
        counts.
    """

    identity: StudyIdentity
    n_cts: int
    order_known: bool


@dataclass(frozen=True)
class StudyOrder:
    """What the store knows of the order of studies; contents that it does not name are ordered by
    their other moment.

    Parameters
    ----------
    read_at : mapping of StudyIdentity to datetime
        When a content was first read.
    month : mapping of StudyIdentity to str
        Month of acquisition, ``YYYY-MM``.
    acquired_s : mapping of StudyIdentity to int
        Moment of acquisition on the patient's own clock.
    replaced : frozenset of StudyIdentity
        Contents with an instance that has a newer content, or is in another study now: they count
        for nobody.
    """

    read_at: Mapping[StudyIdentity, datetime] = field(default_factory=dict)
    month: Mapping[StudyIdentity, str] = field(default_factory=dict)
    acquired_s: Mapping[StudyIdentity, int] = field(default_factory=dict)
    replaced: frozenset[StudyIdentity] = frozenset()

    def first(
        self, contents: Mapping[StudyIdentity, datetime]
    ) -> dict[tuple[str, str], FirstStudy]:
        """Return what counts of each patient, by centre and patient key.

        A study is its newest content's patient's: what was read of it before the patient was
        corrected at the source counts for nobody.

        Parameters
        ----------
        contents : mapping of StudyIdentity to datetime
            The contents to choose from, each with the moment that stands in where the store does
            not know when it was read.
        """
        of_patient: dict[tuple[str, str], list[StudyIdentity]] = defaultdict(list)
        owner = self._owners(contents)
        for identity in contents.keys() - self.replaced:
            if owner[identity.center, identity.study_key] == identity.patient_key:
                of_patient[identity.center, identity.patient_key].append(identity)
        return {patient: self._first(own, contents) for patient, own in of_patient.items()}

    def _owners(self, contents: Mapping[StudyIdentity, datetime]) -> dict[tuple[str, str], str]:
        """Return the patient of each study by centre and study key: that of what was read last."""
        read = {**contents, **self.read_at}
        counting = read.keys() - self.replaced
        in_order = sorted(counting, key=lambda one: (read[one], one.content_digest))
        return {(one.center, one.study_key): one.patient_key for one in in_order}

    def _first(
        self, own: Sequence[StudyIdentity], contents: Mapping[StudyIdentity, datetime]
    ) -> FirstStudy:
        if len(own) == 1:
            return FirstStudy(own[0], 1, order_known=True)

        def read(identity: StudyIdentity) -> datetime:
            return self.read_at.get(identity, contents[identity])

        cts = self._cts(own)
        acquired: list[Any] = [self.acquired_s.get(ct[0]) for ct in cts]
        months: list[Any] = [self.month.get(ct[0]) for ct in cts]
        known = next((one for one in (acquired, months) if _tells_order(one)), None)
        if known is not None:
            chosen = cts[known.index(min(known))]
        else:
            chosen = min(cts, key=lambda ct: (min(map(read, ct)), ct[0].study_key))
        newest = max(chosen, key=lambda one: (read(one), one.content_digest))
        return FirstStudy(newest, len(cts), known is not None or len(cts) == 1)

    def _cts(self, own: Sequence[StudyIdentity]) -> list[list[StudyIdentity]]:
        """Return the contents by CT: by study, and by acquisition within it where it is known."""
        studies: dict[str, list[StudyIdentity]] = defaultdict(list)
        for identity in own:
            studies[identity.study_key].append(identity)
        cts = []
        for contents in studies.values():
            by_moment: dict[int | None, list[StudyIdentity]] = defaultdict(list)
            for identity in contents:
                by_moment[self.acquired_s.get(identity)].append(identity)
            cts += [contents] if None in by_moment else list(by_moment.values())
        return cts


def _tells_order(moments: Sequence[object]) -> bool:
    return None not in moments and len(set(moments)) == len(moments)
