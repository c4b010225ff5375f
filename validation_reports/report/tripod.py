"""Where a report answers the items of TRIPOD+AI that concern the evaluation of a model, and which
it does not.

References
----------
.. [1] Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement. BMJ 2024;385:e078378.
"""

from __future__ import annotations

TRIPOD_ITEMS: tuple[tuple[str, str, str | None], ...] = (
    ("5a", "Data: source and representativeness", "patients"),
    ("5b", "Data: dates", None),
    ("6a", "Participants: setting and centres", "patients"),
    ("6b", "Participants: eligibility criteria", "excluded"),
    ("7", "Data preparation", "methods"),
    ("8a", "Outcome and its horizon", "methods"),
    ("9", "Predictors", "provenance"),
    ("10", "Sample size", "precision"),
    ("11", "Missing data", "patients"),
    ("12e", "Measures of performance", "methods"),
    ("12f", "Model updating (recalibration)", "recalibration"),
    ("14", "Fairness", "subgroups"),
    ("18e", "Data sharing", "provenance"),
    ("18f", "Code sharing", "provenance"),
    ("20a", "Flow of participants", "excluded"),
    ("20b", "Characteristics of participants", "patients"),
    ("20b", "Scanners and protocols", "acquisitions"),
    ("20c", "Comparison with the development data", "shift"),
    ("21", "Numbers of participants and events", "results"),
    ("23a", "Performance with intervals, in key subgroups", "results"),
    ("23b", "Heterogeneity between centres", "heterogeneity"),
    ("24", "Results of model updating", "recalibration"),
    ("25", "Interpretation, fairness", None),
    ("26", "Limitations", None),
)
"""Item, what it asks for, and the section (an id of the page) that answers it; `None` where the
authors must.
"""
