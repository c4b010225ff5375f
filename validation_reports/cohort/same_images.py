"""The same images twice: in the training of the model, at two centres, or under two names of one
centre. Who comes twice is analysed once, and who trained the model is not analysed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from feature_store.imaging.image_marks import ImageMarks, alike
from feature_store.study_identity import StudyIdentity

IN_TRAINING = "refused: the model was trained on the same images"
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


class _Index:
    """Finds the owners of CTs that hold the same images."""

    def __init__(self) -> None:
        self._sketches: list[tuple[tuple[str, str], tuple[str, ...]]] = []
        self._places: dict[str, list[int]] = defaultdict(list)

    def add(self, owner: tuple[str, str], *sketches: tuple[str, ...]) -> None:
        for sketch in sketches:
            for digest in sketch:
                self._places[digest].append(len(self._sketches))
            self._sketches.append((owner, sketch))

    def owners(self, *sketches: tuple[str, ...]) -> set[tuple[str, str]]:
        found = set()
        for sketch in sketches:
            near = Counter(place for digest in sketch for place in self._places.get(digest, ()))
            for place in near:
                owner, other = self._sketches[place]
                if alike(sketch, other):
                    found.add(owner)
        return found


def same_images(
    asked: Sequence[str],
    scored: Mapping[str, Collection[StudyIdentity]],
    marks: Mapping[StudyIdentity, ImageMarks],
    training_centers: Collection[str],
    trained_on: Iterable[tuple[str, ...]],
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
    training_centers : collection of str
        Centres all of whose images count as those that trained the model.
    trained_on : iterable of tuple of str
        Digests of the pixels of the images that trained the model, as its bundle names them.

    Returns
    -------
    dict of str to SameImages
        By centre of `asked`.
    """
    training, others = _Index(), _Index()
    known = [pixels for pixels in trained_on if pixels]
    for pixels in known:
        training.add(("", ""), pixels)
    of_centers = [marks[one] for one in marks if one.center in training_centers]
    for mark in of_centers:
        training.add(("", ""), mark.instances, mark.pixels)
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
            if not (known or of_centers):
                warnings[TRAINING_UNKNOWN].add(key)
            sketches = (marks[identity].instances, marks[identity].pixels)
            if training.owners(*sketches):
                refused[key] = IN_TRAINING
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
