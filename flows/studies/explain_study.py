"""The flow `explain-study`: what one patient's score is made of, and where the network looked, as a
DICOM map.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.registry.registry import StudyFiles
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.radiomic_features import feature_words
from feature_store.study_features import compute_features, load_study
from flows.data.archived_study import read_archived
from flows.data.elsewhere import refuse_measuring
from flows.data.identity import chosen_gtv, identity_of, meant_study
from flows.data.model_features import stored_features, study_features
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.studies.occlusion import occlusion_map_of
from flows.studies.steps import engine_called
from models.combined.applicability import Place
from models.combined.combined_model import DEEP_BLOCK, one_patient
from models.combined.explanation import Explanation, explain


@refusable_flow(name="explain-study", flow_run_name="{study_key}")
def explain_study(study_key: str, occlusion_file: Path | None = None) -> State[None]:
    """Say which features make up the score of a study by the pinned model, from what the store
    holds of it.

    Parameters
    ----------
    study_key : str
        The study's pseudonym, or its patient's where there is one study.
    occlusion_file : Path, optional
        New file on the machine of the runs, for a DICOM parametric map of what the network looked
        at; by default none.
    """
    work = installation()
    files = work.registry.outbox.files(meant_study(work, study_key))
    refuse_measuring(work.bundle)
    table = read_by_the_bundle(work, files, occlusion_file)
    (found,) = explain(work.bundle.model, table)
    applicability = work.bundle.applicability
    places = () if applicability is None else applicability.places(table)
    lines = in_words(found, places)
    if occlusion_file is not None:
        lines.append(
            f"The map shows what the network looked at: the block {DEEP_BLOCK} alone, "
            f"{found.blocks[DEEP_BLOCK]:+.3f} of the score."
        )
    return Completed(message="\n".join(lines))


def read_by_the_bundle(
    work: Installation, files: StudyFiles, occlusion_file: Path | None = None
) -> pd.DataFrame:
    """Return what the bundle reads of a study, one row: as the store holds it, if it does.

    Parameters
    ----------
    work : Installation
        Store, archive and pinned model.
    files : StudyFiles
        The study.
    occlusion_file : Path, optional
        Where a map goes, for which the study's files are needed.
    """
    stored = stored_features(work, files.center, [identity_of(files)])
    if occlusion_file is None and not stored.empty:
        return stored
    return _measured_again(work, files, occlusion_file)


def _measured_again(
    work: Installation, files: StudyFiles, occlusion_file: Path | None
) -> pd.DataFrame:
    """Return what the bundle reads of a study whose features are not in the store, or whose CT is
    needed for a map.
    """
    reading = read_archived(files)
    overlapping = OverlappingContours(work.settings.features.overlapping_contours)
    pattern = work.center(files.center).gtv_pattern
    study = load_study(reading, pattern, overlapping, chosen_gtv(files))
    settings = work.settings
    features = compute_features(
        study,
        settings.extraction(),
        settings.features.ring_widths_mm,
        engine=engine_called(settings.features.engine),
    )
    table = one_patient(study_features(work.bundle, features))
    if occlusion_file is not None:
        from validation_reports.dicom.files import write_dicom  # noqa: PLC0415 - takes seconds

        made = occlusion_map_of(
            work, files, reading.ct.datasets, study, features, datetime.now(UTC)
        )
        write_dicom(made, occlusion_file)
    return table


def in_words(found: Explanation, places: Sequence[Place] = ()) -> list[str]:
    """Return an explanation, and where the patient lies among those that trained the model, as
    lines for people.
    """
    blocks = ", ".join(f"{block} {part:+.3f}" for block, part in found.blocks.items())
    lines = [f"linear predictor {found.linear_predictor:+.3f}: {blocks}"]
    for part in found.contributions:
        words = feature_words.in_words(part.feature)
        lines.append(
            f"  {part.contribution:+.3f}  {words.name}: {part.value:.6g}, {part.z_score:+.2f} SD "
            f"from the training mean ({part.feature}; {words.meaning})"
        )
    lines += [
        f"{place.group}: {'outside' if place.outside else 'within'} the range of the training "
        f"patients, distance {place.distance:.3g} of at most {place.limit:.3g}; what stands out "
        f"most is {place.feature}, {place.z_score:+.2f} SD"
        for place in places
    ]
    return lines
