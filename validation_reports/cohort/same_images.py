"""The same images twice: at two centres, or under two names of one centre. Who comes twice is
analysed once, and who trained the model is not analysed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from feature_store.imaging.image_marks import ImageMarks
from feature_store.study_identity import StudyIdentity
from validation_reports.cohort.sketch_index import SketchIndex
from validation_reports.cohort.trained_on import TrainedOn

NOT_COMPARED = (
    "whether the same images are at another centre or trained the model is not known: an earlier "
    "release read them"
)
TRAINING_UNKNOWN = (
    "whether the same images trained the model is not known: its bundle names none, and the "
    "images of its training centre are not in this feature store"
)


@dataclass(frozen=True)
class SameImages:
    """What was found of one centre.

    Parameters
    ----------
    refused : mapping of str to str
        Reason by patient key of whoever must not be analysed.
    warnings : mapping of str to frozenset of str
        By sentence, the patient keys whom it concerns.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, frozenset[str]] = field(default_factory=dict)


def same_images(
    asked: Sequence[str],
    scored: Mapping[str, Collection[StudyIdentity]],
    marks: Mapping[StudyIdentity, ImageMarks],
    trained_on: TrainedOn,
) -> dict[str, SameImages]:
    """Find who comes twice among the patients that were scored.

    Parameters
    ----------
    asked : sequence of str
        The centres of the report. Who is at two of them is analysed at the first.
    scored : mapping of str to collection of StudyIdentity
        By centre, these and others, the study contents that the model has scored.
    marks : mapping of StudyIdentity to ImageMarks
        Marks of the CTs of all centres.
    trained_on : TrainedOn
        By what those who trained the model are recognised.

    Returns
    -------
    dict of str to SameImages
        By centre of `asked`.
    """
    others = SketchIndex()
    everywhere = {one for identities in scored.values() for one in identities}
    for identity in sorted(everywhere & marks.keys()):
        mark = marks[identity]
        others.add((identity.center, identity.patient_key), mark.instances, mark.pixels)
    found = {}
    for place, center in enumerate(asked):
        refused: dict[str, str] = {}
        warnings: dict[str, set[str]] = defaultdict(set)
        for identity in sorted(scored.get(center, ())):
            key = identity.patient_key
            if identity not in marks:
                warnings[NOT_COMPARED].add(key)
                continue
            if not trained_on.is_known:
                warnings[TRAINING_UNKNOWN].add(key)
            sketches = (marks[identity].instances, marks[identity].pixels)
            if (leak := trained_on.leak(marks[identity])) is not None:
                refused[key] = leak
            elsewhere = others.owners(*sketches) - {(center, key)}
            first = _analysed_elsewhere((center, key), elsewhere, asked[: place + 1])
            if first is not None:
                refused.setdefault(
                    key, f"the same images are analysed at centre {first[0]} as patient {first[1]}"
                )
            for name in {name for name, _ in elsewhere} - set(asked):
                warnings[f"the same images are at centre {name} too"].add(key)
        found[center] = SameImages(
            refused, {sentence: frozenset(keys) for sentence, keys in warnings.items()}
        )
    return found


def _analysed_elsewhere(
    own: tuple[str, str], elsewhere: Collection[tuple[str, str]], centers: Sequence[str]
) -> tuple[str, str] | None:
    """Return the patient of the same images who comes first: at an earlier of the centres, or of
    the same centre under an earlier key.
    """
    ranked = sorted(
        (centers.index(name), key)
        for name, key in elsewhere
        if name in centers and (name != own[0] or key < own[1])
    )
    return (centers[ranked[0][0]], ranked[0][1]) if ranked else None
