"""What must hold of a study before it is loaded: its facts, and the rules on them.

The rules on images stand where images are read (`feature_store.imaging`); those on the patient
stand here. A new defect of the patient's record is one more row of `PATIENT_RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass

from feature_store.clinical_records import (
    INCLUDED_HISTOLOGIES,
    MINIMUM_AGE,
    ClinicalRecord,
    Histology,
)
from feature_store.imaging.acquisition_rules import (
    PROTOCOL_RULES,
    AcquisitionFacts,
    acquisition_facts,
)
from feature_store.imaging.ct_headers import CtHeaders
from feature_store.imaging.ct_rules import CT_RULES, CtFacts, ct_facts
from feature_store.imaging.gtv_choice import (
    ChosenGtv,
    in_the_ct_that_is_listed,
    matching_rois,
    undrawn_namesakes,
)
from feature_store.imaging.gtv_rules import GTV_RULES, GtvFacts, gtv_facts
from feature_store.imaging.structure_set import StructureSet
from feature_store.rules import TRUE, Between, OneOf, warning
from feature_store.wording import counted


@dataclass(frozen=True, kw_only=True)
class StudyFacts(CtFacts, AcquisitionFacts, GtvFacts):
    """Facts of one study: those of its CT, of its contours, and of its patient.

    Parameters
    ----------
    clinical_row : bool
        Whether the centre's clinical table has a row for the patient.
    age : float or None
        Age in years.
    histology : Histology or None
        Histology of the primary tumour.
    """

    clinical_row: bool
    age: float | None
    histology: Histology | None

    @property
    def clinical_gaps(self) -> tuple[str, ...]:
        """What a clinical record leaves open that the protocol asks for."""
        if not self.clinical_row:
            return ()
        return tuple(name for name in ("age", "histology") if getattr(self, name) is None)


def study_facts(
    headers: CtHeaders,
    structure_set: StructureSet,
    gtv_pattern: str,
    clinical: ClinicalRecord | None,
    chosen: ChosenGtv | None = None,
) -> StudyFacts:
    """Collect the facts of a study.

    Parameters
    ----------
    headers : CtHeaders
        The CT slices without their pixels.
    structure_set : StructureSet
        The contours.
    gtv_pattern : str
        Regular expression for the whole name of the GTV, without regard to case.
    clinical : ClinicalRecord or None
        The patient's clinical record, if there is one.
    chosen : ChosenGtv, optional
        The choice of the GTV that was made when the study was completed.
    """
    found = matching_rois(structure_set, gtv_pattern, chosen)
    candidates = [in_the_ct_that_is_listed(roi, structure_set, headers) for roi in found]
    of_gtv = gtv_facts(
        candidates,
        headers.extent,
        structure_set.roi_names,
        gtv_pattern,
        older_rtstruct_has_it=chosen is not None and chosen.older_rtstruct_has_it,
        undrawn_namesakes=undrawn_namesakes(structure_set, gtv_pattern, found),
        image_positions_mm={one.sop_instance_uid: one.position_mm for one in headers.slices},
    )
    return StudyFacts(
        **vars(ct_facts(headers)),
        **vars(acquisition_facts(headers)),
        **{**vars(of_gtv), "is_rejected": structure_set.approval == "REJECTED"},
        clinical_row=clinical is not None,
        age=clinical.age if clinical else None,
        histology=clinical.histology if clinical else None,
    )


PATIENT_RULES = (
    warning(
        "clinical-row",
        "clinical_row",
        TRUE,
        "a row for the patient in the clinical table",
        lambda _: (
            "The centre's clinical table has no row for this patient, expected one: the score "
            "cannot be validated until it is imported."
        ),
    ),
    warning(
        "clinical-incomplete",
        "clinical_gaps",
        Between(None, 0),
        "a clinical record with age and histology",
        lambda f: (
            f"The clinical record does not say {' and '.join(f.clinical_gaps)}, expected by the "
            "protocol."
        ),
    ),
    warning(
        "age",
        "age",
        Between(MINIMUM_AGE, strict=True),
        "patients older than 18 years",
        lambda f: (
            f"The patient is {counted(f.age, 'year')} old, expected more than {MINIMUM_AGE:g}."
        ),
    ),
    warning(
        "histology",
        "histology",
        OneOf(tuple(sorted(INCLUDED_HISTOLOGIES))),
        "adenocarcinoma or squamous cell carcinoma",
        lambda f: (
            f"The histology is {f.histology}, expected adenocarcinoma or squamous cell carcinoma."
        ),
    ),
)
"""Whom the model is for (paper, patients: inclusion)."""
STUDY_RULES = (*CT_RULES, *GTV_RULES, *PROTOCOL_RULES, *PATIENT_RULES)
