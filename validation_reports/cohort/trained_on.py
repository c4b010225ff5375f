"""Whether a model was trained on the same images, or on other images of the same person: by the
digests in its bundle, whichever centre sends the study, and by what the feature store has of its
training centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from feature_store.imaging.image_marks import ImageMarks, persons_of
from feature_store.study_identity import StudyIdentity
from models.bundle.training_digests import TrainingDigests
from validation_reports.cohort.sketch_index import SketchIndex

_ANYBODY = ("", "")


class Leak(StrEnum):
    """What trained the model, as the reason why a patient is not analysed."""

    IMAGES = "refused: the model was trained on the same images"
    PERSON = "refused: the model was trained on other images of the same person"

    @property
    def warning(self) -> str:
        """What goes with the score."""
        what = self.value.removeprefix("refused: the model was trained on ")
        return (
            f"The model was trained on {what}, expected a patient whom it has not seen: the score "
            "looks surer than it is, and validations leave this patient out."
        )


class TrainedOn:
    """By what the training patients of one model are recognised.

    Parameters
    ----------
    digests : TrainingDigests or None
        Those of the bundle; bundles of earlier releases have none.
    pixels : iterable of tuple of str
        By CT, digests of pixels as bundles of earlier releases name them, without salt.
    here : mapping of StudyIdentity to ImageMarks
        Marks of all CTs of the training centre that are in the feature store.
    """

    def __init__(
        self,
        digests: TrainingDigests | None,
        pixels: Iterable[tuple[str, ...]] = (),
        here: Mapping[StudyIdentity, ImageMarks] = MappingProxyType({}),
    ) -> None:
        self._digests = digests
        self._plain, self._salted = SketchIndex(), SketchIndex()
        self._persons = set(persons_of(here))
        self.is_known = False
        """Whether anything is known of the training patients."""
        for sketch in filter(None, pixels):
            self._remember(self._plain, sketch)
        for mark in here.values():
            self._remember(self._plain, mark.instances, mark.pixels)
        if digests is not None:
            for sketch in (*digests.pixels, *digests.instances):
                self._remember(self._salted, sketch)

    def _remember(self, index: SketchIndex, *sketches: tuple[str, ...]) -> None:
        index.add(_ANYBODY, *sketches)
        self.is_known = True

    def leak(self, mark: ImageMarks) -> Leak | None:
        """Return what of a study has trained the model, `None` if nothing is known to have."""
        sketches, persons = (mark.instances, mark.pixels), set(mark.persons)
        if self._plain.owners(*sketches):
            return Leak.IMAGES
        digests = self._digests
        if digests is not None and self._salted.owners(*map(digests.salted, sketches)):
            return Leak.IMAGES
        if not persons.isdisjoint(self._persons):
            return Leak.PERSON
        if digests is not None and not set(digests.persons).isdisjoint(digests.salted(persons)):
            return Leak.PERSON
        return None
