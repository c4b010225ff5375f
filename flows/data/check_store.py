"""``python -m flows store check``: whether the feature store is what registry, reports and bundles
say, and how it is made so again.

A verdict is recorded only after its rows are on the disk, so what is found here was lost later:
with a disk, or by restoring a back-up.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.errors import NodeError
from feature_store.wording import are, counted
from flows.installation import Installation
from flows.named_versions import named_versions


@dataclass(frozen=True)
class LostRows:
    """Study contents that the registry calls done and whose rows the store does not have.

    Parameters
    ----------
    studies : tuple of str
        Those that the pinned bundle scored, or whose features were extracted.
    by_other_models : int
        Scores by other bundles.
    """

    studies: tuple[str, ...]
    by_other_models: int


def lost_rows(work: Installation) -> LostRows:
    """Find what the registry calls done and the store does not have.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    promised = work.registry.results.rows_promised()  # first: rows come before their verdict
    measured = work.store.studies_with_rows("radiomics")
    scored = work.store.studies_with_rows("scores", "model_digest")
    pinned = work.settings.model.digest
    studies, other = [], 0
    for study, content, model in promised:
        if (study, content) in measured and (model is None or (study, content, model) in scored):
            continue
        if model is None or model == pinned:
            studies.append(study)
        else:
            other += 1
    return LostRows(tuple(dict.fromkeys(studies)), other)


def make_lost_rows_again(work: Installation) -> list[str]:
    """Put studies whose rows were lost into the outbox again, and say so.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    lost = lost_rows(work)
    said = []
    requeued = 0
    for study in lost.studies:
        try:
            work.registry.outbox.requeue(study, also_finished=True)
            requeued += 1
        except NodeError as error:
            said.append(str(error))
    if requeued:
        said.insert(
            0,
            f"{counted(requeued, 'study', 'studies')} whose rows the store lacks "
            f"{are(requeued)} made again",
        )
    return said


def store_findings(work: Installation) -> list[str]:
    """Return what is wrong with the store, a sentence each; nothing, if all is well.

    Raises
    ------
    StoreError
        If the store cannot be looked through.
    """
    found = [defect.sentence for defect in work.store.defects()]
    if found:
        return found
    lost = lost_rows(work)
    if lost.studies:
        found.append(
            f"The registry calls {counted(len(lost.studies), 'study', 'studies')} done whose rows "
            f"the store lacks, the first is {lost.studies[0]}: the dispatcher makes them "
            "again when it starts and every night, and `python -m flows store check "
            "--repair` at once."
        )
    if lost.by_other_models:
        found.append(
            f"{counted(lost.by_other_models, 'score')} by bundles that are not pinned "
            f"{are(lost.by_other_models)} recorded in the registry and not in the store: pin the "
            "bundle and run `score-cohort` to have them."
        )
    return found


def unrepeatable(work: Installation) -> list[str]:
    """Return which reports and bundles name versions that cannot be read, a sentence each; no
    repair brings those back.

    Raises
    ------
    VersionsError
        If a report or bundle cannot be read.
    """
    said = []
    for path, versions in named_versions(work.settings):
        if gone := work.store.gone(versions):
            which = ", ".join(f"{name} {version}" for name, version in gone.items())
            said.append(
                f"The report or bundle {path.name} names {which}, which this store cannot read: it "
                "cannot be made again here. Of a bundle that was trained elsewhere nothing else is "
                "to be expected."
            )
    return said


def repair_store(work: Installation, *, harmless_only: bool = False) -> list[str]:
    """Mend the store, have lost rows made again, and say what was done.

    Parameters
    ----------
    work : Installation
        The installation.
    harmless_only : bool
        Whether only what a power cut leaves of unfinished writes is mended, which may be done while
        others write.

    Raises
    ------
    StoreError
        If the store cannot be mended or read.
    """
    done = work.store.repair(harmless_only=harmless_only)
    if not work.store.defects():
        done += make_lost_rows_again(work)
    return done
