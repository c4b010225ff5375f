"""The TRIPOD+AI items that concern the evaluation of a model: what a report answers and where, and
what a person must write.

References
----------
.. [1] Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement. BMJ 2024;385:e078378.
"""

from __future__ import annotations

from dataclasses import dataclass

_PERSON = "A person must write"


@dataclass(frozen=True)
class TripodItem:
    """One item: its number, what it asks for, the section of the page (its id) that answers it if
    one does, and the answer in a few words.
    """

    item: str
    asks: str
    section: str | None
    answer: str


TRIPOD_ITEMS = (
    TripodItem("1", "Title", None, f"{_PERSON} it: evaluation, population, outcome."),
    TripodItem("2", "Abstract", None, f"{_PERSON} it; the first screen has its numbers."),
    TripodItem(
        "3a-c", "Background, intended use, inequalities", None, f"{_PERSON} these of the clinic."
    ),
    TripodItem("4", "Objectives", None, f"{_PERSON} these: that this is an external evaluation."),
    TripodItem(
        "5a",
        "Data: source and representativeness",
        "patients",
        "the centres; a person must say whom they stand for.",
    ),
    TripodItem(
        "5b",
        "Data: dates",
        "patients",
        "months that the planning CTs span, where known; a person must give the dates and the end "
        "of follow-up, which are not kept.",
    ),
    TripodItem(
        "6a", "Setting and centres", "results", "number of centres; a person must add where."
    ),
    TripodItem("6b", "Eligibility criteria", "excluded", "with whom they left out."),
    TripodItem("6c", "Treatments received", None, f"{_PERSON} these: they are not in the data."),
    TripodItem("7", "Data preparation", "excluded", "what was quarantined or warned of, and why."),
    TripodItem("8a", "Outcome and its horizon", "methods", "overall survival; horizons in days."),
    TripodItem(
        "8b-c", "Assessment of the outcome, blinding", None, f"{_PERSON} how deaths were found out."
    ),
    TripodItem(
        "9b",
        "Predictors: definition and measurement",
        "provenance",
        "by the digest of the frozen model, which fixes contour, settings and features.",
    ),
    TripodItem(
        "9c", "Who drew the contours", None, f"{_PERSON} their qualification and what they knew."
    ),
    TripodItem("10", "Sample size", "precision", "what the patients at hand can show, and needed."),
    TripodItem("11", "Missing data", "missing", "by variable and centre; nothing is imputed."),
    TripodItem("12a", "Use of the data", "methods", "all patients test, none trains."),
    TripodItem("12d", "Heterogeneity between centres", "heterogeneity", "random effects."),
    TripodItem("12e", "Measures of performance", "methods", "each with its method."),
    TripodItem("12f", "Model updating", "recalibration", "tried by cross-validation, not adopted."),
    TripodItem("12g", "How predictions were computed", "provenance", "model digest and software."),
    TripodItem(
        "13", "Class imbalance", "methods", "no method for it: nothing is resampled or reweighted."
    ),
    TripodItem("14", "Approaches to fairness", "subgroups", "performance by sex, age and stage."),
    TripodItem("15", "Model output and cut-off", "methods", "cut-off frozen at training."),
    TripodItem("16", "Differences from development", "shift", "patients, scores and features."),
    TripodItem("17", "Ethical approval", None, f"{_PERSON} the approval or its waiver."),
    TripodItem("18a-d", "Funding, interests, protocol, registration", None, f"{_PERSON} all four."),
    TripodItem(
        "18e",
        "Data sharing",
        "provenance",
        "versions of the data; a person must say who gets them.",
    ),
    TripodItem(
        "18f", "Code sharing", "provenance", "versions; recompute.R checks the numbers in R."
    ),
    TripodItem(
        "19", "Patient and public involvement", None, f"{_PERSON} it, or that there was none."
    ),
    TripodItem("20a", "Flow of participants, follow-up", "excluded", "diagram of each centre."),
    TripodItem("20b", "Characteristics of participants", "patients", "by centre, with follow-up."),
    TripodItem("20b", "Scanners and protocols", "acquisitions", "by centre."),
    TripodItem("20c", "Comparison with the development data", "shift", "of the predictors."),
    TripodItem(
        "21", "Numbers in each analysis", "results", "patients and deaths; by subgroup too."
    ),
    TripodItem("23a", "Performance with intervals", "results", "and in key subgroups below."),
    TripodItem("23b", "Heterogeneity of performance", "heterogeneity", "over the centres."),
    TripodItem("24", "Results of model updating", "recalibration", "in patients left out."),
    TripodItem(
        "25", "Interpretation, fairness", None, f"{_PERSON} it; the verdicts are no discussion."
    ),
    TripodItem(
        "26", "Limitations", None, f"{_PERSON} these; warnings and exclusions are material."
    ),
    TripodItem(
        "27a", "Poor or missing input in use", "excluded", "what is refused and what is warned of."
    ),
    TripodItem("27b-c", "Users' expertise, next steps", None, f"{_PERSON} these."),
)
"""Items 9a, 12b, 12c and 22 concern the development of a model, and are its training report's."""
