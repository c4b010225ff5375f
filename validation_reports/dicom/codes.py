"""The coded concepts of the structured report, and the private coding scheme that they need.

Standard codes come from SNOMED CT (SCT), the DICOM Controlled Terminology (DCM) and UCUM (PS3.16).
What no standard code says (a prognostic score, a survival probability at a horizon) has a code of
the scheme 99ANNULUS, which every report identifies in its Coding Scheme Identification Sequence
(PS3.3 section C.12.1).
"""

from __future__ import annotations

from pydicom.sr.coding import Code

from feature_store.wording import counted

SCHEME = "99ANNULUS"
SCHEME_NAME = "Annulus prognostic model concepts"
MANUFACTURER = "Annulus"

GROSS_TUMOUR_VOLUME = Code("228791009", "SCT", "Gross tumor volume")
LUNG = Code("39607008", "SCT", "Lung structure")
COMPUTED_TOMOGRAPHY = Code("77477000", "SCT", "Computed Tomography")
HIGH = Code("15508007", "SCT", "High")
LOW = Code("75976002", "SCT", "Low")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
TISSUE = Code("85756007", "SCT", "Tissue")
VOLUME = Code("118565006", "SCT", "Volume")
SOURCE = Code("260753009", "SCT", "Source")
NO_UNITS = Code("1", "UCUM", "no units")
CUBIC_CENTIMETRE = Code("cm3", "UCUM", "cubic centimeter")
OUTLINE = Code("111041", "DCM", "Outline")
BOUNDED_BY = Code("75958009", "SCT", "Bounded by")
DRAWN_BY_HAND = Code("123109", "DCM", "Manual Processing")
MORPHOLOGICAL_OPERATIONS = Code("123104", "DCM", "Morphological Operations")

REJECTED_FOR_PATIENT_SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")
ENGLISH = Code("en", "RFC5646", "English")
SOURCE_OF_MEASUREMENT = Code("121112", "DCM", "Source of Measurement")
SERIES_INSTANCE_UID = Code("112002", "DCM", "Series Instance UID")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
MODALITY = Code("121139", "DCM", "Modality")
CT_MODALITY = Code("CT", "DCM", "Computed Tomography")
FRAME_OF_REFERENCE_UID = Code("112227", "DCM", "Frame of Reference UID")

RISK_SCORE = Code(
    "risk-score", SCHEME, "Prognostic risk score (linear predictor, log hazard ratio)"
)
RISK_GROUP = Code("risk-group", SCHEME, "Prognostic risk group")
ROI_NUMBER = Code("roi-number", SCHEME, "ROI Number of the contour in its RT Structure Set")
NOTICE = Code("notice", SCHEME, "Conditions of use of this report")
MODEL_DIGEST = Code("model-digest", SCHEME, "SHA-256 digest of the frozen model")
SOFTWARE_VERSION = Code("software-version", SCHEME, "Software version")
WARNING = Code("warning", SCHEME, "Warning about the data behind this score")

RANGE_LOWER = Code(
    "score-p10", SCHEME, "Prognostic risk score over perturbed contours, 10th percentile"
)
RANGE_UPPER = Code(
    "score-p90", SCHEME, "Prognostic risk score over perturbed contours, 90th percentile"
)
OTHER_GROUP = Code(
    "other-group", SCHEME, "Share of perturbed contours that fall into the other risk group"
)
OVER_CONTOURS = Code("over-contours", SCHEME, "How far the score moves with another contour")

PERFORMANCE = Code("performance", SCHEME, "Performance of this model at this centre")
NO_PERFORMANCE = Code("no-performance", SCHEME, "Why no performance is reported")
CONCORDANCE = Code("harrell-c", SCHEME, "Harrell's concordance index of overall survival")
LOWER_LIMIT = Code("confidence-lower", SCHEME, "Lower limit of the confidence interval")
UPPER_LIMIT = Code("confidence-upper", SCHEME, "Upper limit of the confidence interval")
CONFIDENCE = Code("confidence", SCHEME, "Confidence of the interval")
CALIBRATION_VERDICT = Code("calibration", SCHEME, "Are the predicted risks right at this centre")
PATIENTS_ANALYSED = Code("analysed", SCHEME, "Patients analysed in the validation")
DEATHS = Code("deaths", SCHEME, "Deaths among the patients analysed")
VALIDATION_DATE = Code("validation-date", SCHEME, "Date of the validation")
REPORT_ID = Code("report-id", SCHEME, "Identifier of the validation report")
PERCENT = Code("%", "UCUM", "percent")
PATIENTS = Code("{patients}", "UCUM", "patients")

VALIDATION_REPORT = Code("report", SCHEME, "External validation report of a prognostic model")
SUMMARY = Code("summary", SCHEME, "Summary of the validation")
SUMMARY_LINE = Code("summary-line", SCHEME, "Question, verdict and answer")
MODEL = Code("model", SCHEME, "Frozen model that was validated")
MODEL_NAME = Code("model-name", SCHEME, "Name and version of the model")
STATISTICS = Code("statistics", SCHEME, "Statistics of the validation")
UNO_CONCORDANCE = Code("uno-c", SCHEME, "Uno's concordance index of overall survival")
HAZARD_RATIO = Code("hazard-ratio", SCHEME, "Hazard ratio of high against low risk")
CALIBRATION_SLOPE = Code("slope", SCHEME, "Calibration slope")
HAZARD_SCALE_RATIO = Code("oe-hazard", SCHEME, "Observed over expected deaths on the hazard scale")
NOT_ESTIMABLE = Code("not-estimable", SCHEME, "Why a statistic is not estimated")
PATIENTS_EXCLUDED = Code("excluded", SCHEME, "Patients not analysed")
REASON_EXCLUDED = Code("reason-excluded", SCHEME, "Reason, and patients not analysed for it")
PATIENT_PAGE = Code("patient-page", SCHEME, "Prognosis of a patient on one page")
FULL_REPORT = Code("full-report", SCHEME, "The whole validation report as a document")

_DAYS_PER_MONTH = 365.25 / 12


def ring_concept(width_mm: float) -> Code:
    """Return the concept of the ring of tissue around the gross tumour volume."""
    return Code(f"ring-{width_mm:g}mm", SCHEME, f"Ring of {width_mm:g} mm around the GTV")


def survival_concept(days: int) -> Code:
    """Return the concept of the predicted probability of being alive `days` after the start of
    radiotherapy.
    """
    months = round(days / _DAYS_PER_MONTH)
    whole_months = abs(days - months * _DAYS_PER_MONTH) < 3
    horizon = counted(months, "month") if whole_months else f"{days} days"
    return Code(
        f"survival-{days}d", SCHEME, f"Predicted probability of overall survival at {horizon}"
    )


def auc_concept(days: int) -> Code:
    """Return the concept of the time-dependent AUC at a horizon."""
    return Code(f"auc-{days}d", SCHEME, f"Cumulative/dynamic AUC of death by {days} days")


def ratio_concept(days: int) -> Code:
    """Return the concept of observed over expected deaths at a horizon."""
    return Code(f"oe-{days}d", SCHEME, f"Observed over expected deaths by {days} days")
