"""The terms of coded strings that stay: those of the standard and what manufacturers write.

A coded string (VR CS) is typed by hand at many consoles; "NAME LUNG" as Body Part Examined is no
term of anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydicom.charset import python_encoding
from pydicom.datadict import tag_for_keyword

_YES_NO: Final = "YES NO"
_TERMS: Final[dict[str, str]] = {
    # PS3.3 sections C.7.6.1.1.2 and C.8.2.1.1.1; the values after the second, by manufacturers
    "ImageType": """ORIGINAL DERIVED PRIMARY SECONDARY AXIAL LOCALIZER CT_SOM5 CT_SOM7 CT_SOM8 SPI
        SEQ SPR HELIX HELICAL SPIRAL CINE SCOUT TOPOGRAM SURVIEW REFORMATTED MPR MIP MINIP AVERAGE
        VOLUME RESAMPLED CSA SNRG DECT DET_A DET_B DET_AB DRAW DERIVED_A VNC IODINE MIXED MONO_E
        FILTERED COMBINED CENTERED_CT FBP ITERATIVE IR GATED AVE_IP THICK THIN PREVIEW CONTOUR NONE
        JP2K LOSSY ATTENUATION CORONAL SAGITTAL OBLIQUE PET CBCT SIMULATION PORTAL""",
    "Modality": "CT RTSTRUCT",
    "PatientSex": "M F O",
    "SmokingStatus": "YES NO UNKNOWN",
    "PatientSexNeutered": "ALTERED UNALTERED",
    # PS3.16 annex L
    "BodyPartExamined": """ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM AXILLA BACK
        BILEDUCT BLADDER BODY BRAIN BREAST BRONCHUS CALCANEUS CALF CAROTID CEREBELLUM
        CEREBRALA CERVIX CHEEK CHEST CHESTABDOMEN CHESTABDPELVIS CHEST_ABDOMEN
        CHEST_TO_PELVIS CLAVICLE COCCYX COLON CORNEA CORONARYARTERY CSPINE CTSPINE
        DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE EYELID FACE FEMUR FINGER FOOT FOREARM
        GALLBLADDER HAND HEAD HEADNECK HEART HIP HUMERUS ILEUM ILIUM IAC JAW JEJUNUM
        KIDNEY KNEE LARYNX LEG LIVER LSPINE LSSPINE LUNG LUNGS MANDIBLE MAXILLA
        MEDIASTINUM MOUTH NECK NECKCHEST NECKCHESTABDOMEN NECKCHESTABDPELV NOSE ORBIT
        OVARY PANCREAS PAROTID PATELLA PELVIS PENIS PHARYNX PROSTATE RECTUM RIB SCALP
        SCAPULA SCROTUM SHOULDER SKULL SPINE SPLEEN SSPINE STERNUM STOMACH TESTIS THIGH
        THORAX THUMB THYMUS THYROID TIBIA TLSPINE TMJ TOE TONGUE TRACHEA TSPINE URETER
        URETHRA UTERUS VAGINA VULVA WHOLEBODY WRIST ZYGOMA""",
    "Laterality": "R L",
    # not defined for CT; as manufacturers write it
    "ScanOptions": """AXIAL AXIAL_MODE HELICAL HELICAL_MODE HELIX SPIRAL CINE CINE_MODE SCOUT
        SCOUT_MODE SURVIEW TOPOGRAM SEQUENCE DYNAMIC VOLUME GATED CARDIAC RESP RETRO PROSP TILT
        BIOPSY SMART_PREP CONTRAST NONE HELICAL_CT HELICAL_MODE_4D 4D NORMAL STANDARD TRIGGER
        CONVENTIONAL VOLUME_EC CARDIAC_GATING ECG""",
    "RotationDirection": "CW CC",
    "ExposureModulationType": """NONE XYZ_EC XYZ XY Z ZEC EC ANGULAR LONGITUDINAL ATTENUATION
        FIXED_MA Z_DOM D_DOM ECG_BASED ORGAN_BASED SMART_MA AUTO_MA AUTO CARE_DOSE SURE_EXP""",
    "FilterMaterial": """MOLYBDENUM ALUMINUM COPPER RHODIUM NIOBIUM EUROPIUM LEAD TIN CARBON TEFLON
        TITANIUM MIXED WEDGE""",
    "PatientPosition": """HFP HFS HFDR HFDL FFP FFS FFDR FFDL LFP LFS RFP RFS AFP AFS AFDR AFDL PFP
        PFS PFDR PFDL SITTING""",
    "AcquisitionType": "SEQUENCED SPIRAL CONSTANT_ANGLE STATIONARY FREE",
    "PhotometricInterpretation": "MONOCHROME1 MONOCHROME2",
    "PixelSpacingCalibrationType": "GEOMETRY FIDUCIAL",
    "VOILUTFunction": "LINEAR LINEAR_EXACT SIGMOID",
    "LossyImageCompression": "00 01",
    "LossyImageCompressionMethod": "ISO_10918_1 ISO_14495_1 ISO_15444_1 ISO_15444_15 ISO_13818_2",
    "BurnedInAnnotation": _YES_NO,
    "RecognizableVisualFeatures": _YES_NO,
    "ROIGenerationAlgorithm": "AUTOMATIC SEMIAUTOMATIC MANUAL",
    "ContourGeometricType": """POINT OPEN_PLANAR OPEN_NONPLANAR CLOSED_PLANAR CLOSEDPLANAR_XOR
        INTERPOLATED_PLANAR""",
    # PS3.3 section C.8.8.8.1
    "RTROIInterpretedType": """EXTERNAL PTV CTV GTV TREATED_VOLUME IRRAD_VOLUME BOLUS AVOIDANCE
        ORGAN MARKER REGISTRATION ISOCENTER CONTRAST_AGENT CAVITY BRACHY_CHANNEL BRACHY_ACCESSORY
        BRACHY_SRC_APP BRACHY_CHNL_SHLD SUPPORT FIXATION DOSE_REGION CONTROL DOSE_MEASUREMENT
        DEVICE""",
    "ApprovalStatus": "APPROVED UNAPPROVED REJECTED",
    # LO, with defined terms: PS3.3 section C.11.1.1.2
    "RescaleType": "HU US OD HU_MOD PCT MGML Z_EFF ED EDW",
}


def _by_tag() -> dict[int, frozenset[str]]:
    table = {}
    for keyword, terms in _TERMS.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise LookupError(f"{keyword} is not a keyword of PS3.6.")
        table[tag] = frozenset(terms.split())
    return table


DEFINED_TERMS: Final[Mapping[int, frozenset[str]]] = _by_tag()
"""Tag -> the terms of a coded string that stay, several words of them too."""

_CHARACTER_SET: Final = 0x00080005
_FORMS: Final = {
    "TM": re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?", re.ASCII),
    "DS": re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII),
    "IS": re.compile(r"[+-]?\d+", re.ASCII),
    "UI": re.compile(r"[0-9.]{1,64}"),
    "CS": re.compile(r"(?!)"),  # whatever has no terms here has none that may stay
}
CHECKED: Final = frozenset(_FORMS)
"""The representations of which `is_plain` says anything."""


def is_plain(tag: int, vr: str, value: str) -> bool:
    """Say whether a value is one of those that its attribute or its representation defines.

    Parameters
    ----------
    tag : int
        The attribute.
    vr : str
        Its value representation; of texts without defined terms nothing is said.
    value : str
        One of its values.
    """
    value = value.strip()
    if tag == _CHARACTER_SET:
        return value in python_encoding
    terms = DEFINED_TERMS.get(tag)
    if terms is not None:
        words = value.upper().split()
        return "_".join(words) in terms or terms.issuperset(words)
    form = _FORMS.get(vr)
    return not value or form is None or form.fullmatch(value) is not None
