"""What becomes of each attribute: the Basic Application Confidentiality Profile (PS3.15 annex E) as
an allow-list.

Table E.1-1 of the standard lists what must go. Here stands the opposite, what may stay, so that an
attribute nobody thought of (a private one, a new one, one that does not belong into a CT or an
RTSTRUCT) goes too. Four options keep what radiomics needs: Retain Longitudinal Temporal Information
with Modified Dates, Retain Patient Characteristics, Retain Device Identity, and Clean Descriptors
for the names of the contoured structures.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from pydicom.datadict import tag_for_keyword


class Action(Enum):
    """What becomes of an attribute (PS3.15 table E.1-1a); whatever has no action is removed."""

    KEEP = auto()
    """K: it stays as it is; a text that repeats a name or a number of the patient is emptied, and
    so is what is no term, number or time of those that its attribute defines.
    """
    EMPTY = auto()
    """Z: present without a value, as the information object asks for."""
    PSEUDONYM = auto()
    """Z: the patient's keyed pseudonym."""
    UID = auto()
    """U: a keyed UID, the same for the same original; UIDs of the standard stay."""
    DATE = auto()
    """C: earlier by the patient's keyed number of days."""
    AGE = auto()
    """K: years; beyond 90 they are 90."""
    STRUCTURE_NAME = auto()
    """C: kept when it is made of words for structures, otherwise replaced."""
    LABEL = auto()
    """D: the modality, where a label must not be empty."""
    CONTRAST = auto()
    """C: whether there was an agent, not which words described it."""
    DESCEND = auto()
    """A sequence that stays; its items are treated like the dataset."""


OPTIONS: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
    ("113109", "Retain Device Identity Option"),
    ("113105", "Clean Descriptors Option"),
)
"""What the result says of itself in the De-identification Method Code Sequence (PS3.16 CID 7050).
"""

_ACTIONS: Final[dict[Action, str]] = {
    Action.PSEUDONYM: "PatientName PatientID",
    Action.EMPTY: """
        AccessionNumber ReferringPhysicianName PatientBirthDate StudyID PositionReferenceIndicator
        ROIInterpreter
        OperatorsName ReviewerName ReviewDate ReviewTime""",
    Action.UID: """
        SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID
        ReferencedSOPClassUID
        ReferencedSOPInstanceUID ReferencedFrameOfReferenceUID""",
    Action.DATE: """
        StudyDate SeriesDate AcquisitionDate ContentDate AcquisitionDateTime InstanceCreationDate
        StructureSetDate
        DateOfLastCalibration""",
    Action.AGE: "PatientAge",
    Action.STRUCTURE_NAME: "ROIName ROIObservationLabel",
    Action.LABEL: "StructureSetLabel",
    Action.CONTRAST: "ContrastBolusAgent",
    Action.DESCEND: """
        ReferencedFrameOfReferenceSequence RTReferencedStudySequence RTReferencedSeriesSequence
        ContourImageSequence
        StructureSetROISequence ROIContourSequence ContourSequence RTROIObservationsSequence""",
    Action.KEEP: """
        SpecificCharacterSet ImageType Modality StudyTime SeriesTime AcquisitionTime ContentTime
        InstanceCreationTime StructureSetTime TimeOfLastCalibration

        PatientSex PatientSize PatientWeight EthnicGroup SmokingStatus PatientSexNeutered

        Manufacturer ManufacturerModelName SoftwareVersions StationName DeviceSerialNumber DeviceUID
        GantryID DetectorID GeneratorID

        BodyPartExamined Laterality ScanOptions SliceThickness SpacingBetweenSlices KVP
        DataCollectionDiameter ReconstructionDiameter DistanceSourceToDetector
        DistanceSourceToPatient GantryDetectorTilt TableHeight RotationDirection RevolutionTime
        ExposureTime XRayTubeCurrent Exposure ExposureInuAs ExposureModulationType
        EstimatedDoseSaving FilterType FilterMaterial GeneratorPower FocalSpots ConvolutionKernel
        PatientPosition AcquisitionType SingleCollimationWidth TotalCollimationWidth TableSpeed
        TableFeedPerRotation SpiralPitchFactor CTDIvol ReconstructionTargetCenterPatient
        DataCollectionCenterPatient

        SeriesNumber AcquisitionNumber InstanceNumber ImagesInAcquisition ImagePositionPatient
        ImageOrientationPatient SliceLocation

        SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns
        PixelSpacing PixelSpacingCalibrationType BitsAllocated BitsStored HighBit
        PixelRepresentation SmallestImagePixelValue LargestImagePixelValue PixelPaddingValue
        PixelPaddingRangeLimit WindowCenter WindowWidth VOILUTFunction RescaleIntercept RescaleSlope
        RescaleType LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
        BurnedInAnnotation RecognizableVisualFeatures PixelData

        ROINumber ROIGenerationAlgorithm ROIVolume ROIDisplayColor ContourNumber
        ContourGeometricType ContourSlabThickness ContourOffsetVector NumberOfContourPoints
        ContourData AttachedContours ReferencedROINumber
        ReferencedFrameNumber ObservationNumber RTROIInterpretedType ApprovalStatus""",
}


def _by_tag() -> dict[int, Action]:
    table = {}
    for action, keywords in _ACTIONS.items():
        for keyword in keywords.split():
            tag = tag_for_keyword(keyword)
            if tag is None:
                raise LookupError(f"{keyword} is not a keyword of PS3.6.")
            table[tag] = action
    return table


ACTIONS: Final[Mapping[int, Action]] = _by_tag()
"""Tag -> action; whatever is not here is removed."""
