"""Finds whose CTs hold the same images, among many."""

from __future__ import annotations

from collections import Counter, defaultdict

from feature_store.imaging.image_marks import alike

Owner = tuple[str, str]


class SketchIndex:
    """Owners of CTs by the digests of their slices."""

    def __init__(self) -> None:
        self._sketches: list[tuple[Owner, tuple[str, ...]]] = []
        self._places: dict[str, list[int]] = defaultdict(list)

    def add(self, owner: Owner, *sketches: tuple[str, ...]) -> None:
        """Remember the sketches of an owner's CT."""
        for sketch in sketches:
            for digest in sketch:
                self._places[digest].append(len(self._sketches))
            self._sketches.append((owner, sketch))

    def owners(self, *sketches: tuple[str, ...]) -> set[Owner]:
        """Return whose CTs share so much with one of the sketches that they are the same images."""
        found = set()
        for sketch in sketches:
            near = Counter(place for digest in sketch for place in self._places.get(digest, ()))
            for place in near:
                owner, other = self._sketches[place]
                if alike(sketch, other):
                    found.add(owner)
        return found
