"""What each expectation expects, in words for a page."""

from __future__ import annotations

from types import MappingProxyType

SUITE_TITLES = MappingProxyType(
    {
        "study": "Each study, before it is loaded",
        "regions": "The regions of each study",
        "clinical": "The clinical table",
        "cohort": "The cohort under the pinned model",
    }
)

EXPECTED = MappingProxyType(
    {
        "too-few-slices": "at least 2 CT slices",
        "mixed-series": "CT slices of one series",
        "mixed-orientation": "CT slices with the same direction cosines",
        "mixed-spacing": "CT slices of one size and pixel spacing",
        "duplicate-slice": "one CT slice at each position",
        "missing-slice": "evenly spaced CT slices, none missing",
        "frame-of-reference": "CT and GTV in one Frame of Reference",
        "gtv-name": "exactly one ROI whose name is the centre's GTV",
        "empty-gtv": "a GTV with contours",
        "contour-outside-ct": "every GTV contour within the CT",
        "kvp": "120 kV",
        "slice-thickness": "slices of 2 to 5 mm",
        "matrix": "512 x 512 pixels",
        "vendor": "a scanner of a known vendor",
        "missing-tags": "a CT header that tells the acquisition",
        "clinical-row": "a row for the patient in the clinical table",
        "clinical-incomplete": "a clinical record with age and histology",
        "age": "patients older than 18 years",
        "histology": "adenocarcinoma or squamous cell carcinoma",
        "no-gtv-voxels": "a GTV that covers voxels",
        "gtv-too-small": "a GTV of at least 27 voxels at 1 mm",
        "gtv-volume": "a GTV of 0.5 to 1500 cm³",
        "ring-cut": "tissue all around the GTV, as far as the ring reaches",
        "repeated-patient": "one row per patient",
        "age-missing": "an age for each patient",
        "histology-missing": "a histology for each patient",
        "sex-missing": "a sex for each patient",
        "stage-missing": "a stage for each patient",
        "cohort-patients": "at least one patient with a score and a complete clinical record",
        "cohort-no-events": "deaths, without which discrimination is not defined",
        "cohort-events": "at least 100 deaths",
        "cohort-follow-up": "a follow-up of a year or longer",
        "cohort-one-risk-group": "5 to 95 % of the patients in the high-risk group",
        "cohort-age-missing": "at most 5 % of the patients without an age",
        "cohort-without-clinical": "at most 10 % of the scored patients without a clinical record",
        "cohort-not-eligible": "only patients who meet the inclusion criteria",
        "cohort-quarantined": "at most 10 % of the patients with quarantined studies only",
        "cohort-several-contents": "one scored study content per patient",
    }
)
