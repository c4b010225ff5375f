"""What can go wrong between a complete study and its features.

::

    FeatureStoreError
    ├── ClinicalTableError (ValueError) a clinical table cannot be read (`clinical_records`)
    ├── ExpectationError (RuntimeError) an expectation could not be evaluated (`expectations`)
    ├── StoreError (RuntimeError) a table cannot be read or written as asked (`tables`)
    └── StudyDefect (ValueError)  the study is quarantined with this sentence
        ├── UnreadableInstance    an instance is no DICOM, of another class, or cut short
        ├── CtGeometryError       the CT slices do not form one regular volume in HU
        ├── ContourError          not one ROI is the GTV, or a contour is none of this CT
        ├── RegionError           the GTV or a ring has too few voxels for features
        └── ExtractionError       features do not exist for this region or image
"""

from __future__ import annotations


class FeatureStoreError(Exception):
    """Base of everything that this package raises on purpose."""


# A defect of the study, not of the program
class StudyDefect(FeatureStoreError, ValueError):  # noqa: N818
    """The study cannot be right as it is; other studies are not affected.

    Parameters
    ----------
    code : str
        Short slug that stays the same between releases, for grouping (``missing-slice``).
    sentence : str
        What is wrong, where, expected and found, and how to mend it. It never carries a patient
        identifier.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class UnreadableInstance(StudyDefect):
    """An instance is not DICOM, not of the expected SOP class, or lacks bytes."""


class CtGeometryError(StudyDefect):
    """The CT slices do not form one regular volume in Hounsfield units."""


class ContourError(StudyDefect):
    """Not exactly one ROI is the GTV, or one of its contours is not closed and planar, or not of
    this CT.
    """


class RegionError(StudyDefect):
    """The GTV or a ring has too few voxels for features."""


class ExtractionError(StudyDefect):
    """Features do not exist for this region or image: every vector has all its values, or there is
    none.
    """
