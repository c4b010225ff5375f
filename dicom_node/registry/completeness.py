"""When is a study complete? The RTSTRUCT's list decides where it is a manifest, else the whole
series does after a quiet period. Pure functions.

A list is a manifest if it names a slice on which no ROI has a contour: many systems list only the
slices that carry contours, and a CT cut down to those has other features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID

from dicom_node.center import Completeness
from dicom_node.datasets.manifest import Manifest, Roi, newness
from dicom_node.registry.ct_choice import (
    IN_WORDS,
    Ambiguous,
    Answer,
    CtChoice,
    CtInstance,
    Evidence,
    NameVerdict,
    RoiChoice,
    choose_ct,
    choose_roi,
)
from dicom_node.registry.ct_geometry import stack_of
from dicom_node.registry.decisions import (
    Complete,
    Contradictory,
    Decision,
    Incomplete,
    Joined,
    Policy,
    Remark,
    RtstructInstance,
    StudyContents,
    Waiting,
)
from dicom_node.wording import are, counted, were

_SERIES_CODES: Final = {
    Evidence.LISTED_SERIES: "listed-series",
    Evidence.LISTED_IMAGES: "listed-images",
    Evidence.CONTOUR_IMAGES: "contour-images",
}


def decide(contents: StudyContents, gtv_pattern: str, policy: Policy | None = None) -> Decision:
    """Decide whether a study is complete.

    Parameters
    ----------
    contents : StudyContents
        What is here.
    gtv_pattern : str
        The centre's rule for the name of the GTV.
    policy : Policy, optional
        Given once the quiet period has passed; before, only a manifest that is met completes a
        study.

    Returns
    -------
    Decision
        Complete, with what to score and what to warn of; waiting; joined to another study;
        incomplete or contradictory, with a sentence.
    """
    if not contents.rtstructs:
        return _undrawn(contents, policy)
    drawn = _drawn(contents, gtv_pattern)
    choice = choose_ct(contents.ct, drawn.rtstruct.manifest, drawn.gtv.roi)
    if isinstance(choice, CtChoice):
        listed = _listed(choice)
        is_met = not _tally(contents, choice)[1]
        is_final = policy is not None or choice.is_certain
        if is_final and is_met and _is_manifest(listed, drawn.rtstruct.manifest):
            return _complete(contents, drawn, choice, listed, ())
    return Waiting() if policy is None else _settled(contents, drawn, choice, policy)


@dataclass(frozen=True)
class _Drawn:
    """The RTSTRUCT that counts, and its GTV."""

    rtstruct: RtstructInstance
    gtv: RoiChoice
    older_has_gtv: bool


def _drawn(contents: StudyContents, gtv_pattern: str) -> _Drawn:
    rtstruct = newest(contents.rtstructs)
    gtv = choose_roi(rtstruct.manifest, gtv_pattern)
    older = (one for one in contents.rtstructs if one is not rtstruct)
    return _Drawn(
        rtstruct,
        gtv,
        not _has_gtv(gtv)
        and gtv.verdict is not NameVerdict.SEVERAL
        and any(_has_gtv(choose_roi(one.manifest, gtv_pattern)) for one in older),
    )


def _has_gtv(gtv: RoiChoice) -> bool:
    return gtv.verdict is NameVerdict.ONE and gtv.roi.drawn.is_drawn


def _undrawn(contents: StudyContents, policy: Policy | None) -> Decision:
    """Decide what has no RTSTRUCT of its own."""
    if contents.joined_to is not None:
        return Joined(contents.joined_to)
    return Waiting() if policy is None else Incomplete(_without_rtstruct(contents))


def _settled(
    contents: StudyContents, drawn: _Drawn, choice: CtChoice | Ambiguous | None, policy: Policy
) -> Decision:
    """Decide on a whole series, after the quiet period."""
    if choice is None:
        return Incomplete(_without_ct(contents))
    if isinstance(choice, Ambiguous):
        if choice.slices:
            return Contradictory(_split(choice.count, choice.slices))
        return Contradictory(
            f"{choice.count} CT series fit the GTV equally, and nothing "
            "in the RTSTRUCT tells on which it was drawn: export it with its references to the "
            "images, or send only the CT that was contoured."
        )
    shortfall = _shortfall(choice.slices, drawn.gtv.roi, policy)
    missing = _missing(contents, choice, shortfall, policy)
    if missing is not None:
        return Incomplete(missing)
    remarks = _whole_series(contents, choice, shortfall)
    return _complete(contents, drawn, choice, choice.slices, remarks)


def _listed(choice: CtChoice) -> tuple[CtInstance, ...]:
    """Return the slices of the chosen series that are listed."""
    listed = set(choice.listed)
    return tuple(one for one in choice.slices if one.sop_instance_uid in listed)


def newest(rtstructs: Sequence[RtstructInstance]) -> RtstructInstance:
    """Return the newest RTSTRUCT by `newness`, then by SOP Instance UID."""
    return max(rtstructs, key=lambda one: (*_made_at(one), one.sop_instance_uid))


def _made_at(rtstruct: RtstructInstance) -> tuple[str, ...]:
    return newness(rtstruct.manifest.made_at)


def _is_manifest(slices: Sequence[CtInstance], manifest: Manifest) -> bool:
    """Say whether one of the listed slices has no contour of any ROI."""
    planes = [one.plane for one in slices if one.plane is not None]
    stack = stack_of([one.plane for one in slices])
    return stack is not None and stack.bare(planes, manifest.planes_mm) > 0


def _complete(
    contents: StudyContents,
    drawn: _Drawn,
    choice: CtChoice,
    slices: tuple[CtInstance, ...],
    remarks: tuple[Remark, ...],
) -> Complete | Contradictory:
    if any(one.patient_key != drawn.rtstruct.patient_key for one in slices):
        return Contradictory(
            "The RTSTRUCT and its CT slices carry different Patient IDs in one study: correct the "
            "patient at the source and send the study again."
        )
    if choice.continued_by:
        parts = {one.series_instance_uid for one in choice.continued_by}
        count = len(choice.slices) + len(choice.continued_by)
        return Contradictory(_split(1 + len(parts), count))
    return Complete(
        rtstruct=drawn.rtstruct,
        ct=slices,
        warnings=(*remarks, *_doubts(contents, choice), *_several(contents.rtstructs)),
        gtv=drawn.gtv,
        choice=choice,
        older_has_gtv=drawn.older_has_gtv,
    )


def _split(series: int, slices: int) -> str:
    return (
        f"The CT came in {series} series, together {counted(slices, 'slice')} one after the other "
        "on one grid, expected one series: it was split on the way. Send it as one series, as the "
        "scanner made it."
    )


def _shortfall(slices: Sequence[CtInstance], gtv: Roi, policy: Policy) -> str | None:
    """Return why the slices of a series cannot be all of it, or `None`."""
    stack, bounds = stack_of([one.plane for one in slices]), gtv.drawn.bounds_mm
    if stack is None:
        return (
            f"The {_count(slices, 'CT slice')} {are(len(slices))} not parallel, or do not say "
            "where they lie, so that it cannot be told whether one is missing: send one axial "
            "series, without its localizer."
        )
    if stack.has_gap:
        return (
            f"A slice is missing among the {counted(len(slices), 'CT slice')}, which are expected "
            f"{stack.spacing_mm:g} mm apart: send the whole series."
        )
    if bounds is None or (beyond := stack.reach_mm(bounds)) >= policy.beyond_gtv_mm:
        return None
    goes = "goes" if len(slices) == 1 else "go"
    return (
        f"The {_count(slices, 'CT slice')} {goes} on {max(beyond, 0):.1f} mm beyond the GTV, "
        f"expected {policy.beyond_gtv_mm:g} mm, as far as the widest ring: send the whole series."
    )


def _missing(
    contents: StudyContents, choice: CtChoice, shortfall: str | None, policy: Policy
) -> str | None:
    """Return what keeps the whole series from being used, or `None`."""
    lost = [
        one
        for one in contents.damaged
        if one.sop_instance_uid in choice.listed
        or one.series_instance_uid == choice.series_instance_uid
    ]
    tally, unmet = _tally(contents, choice)
    if lost:
        return (
            f"{tally}; {len(lost)} of the missing were received damaged and are quarantined: send "
            "them again from an undamaged copy."
        )
    if policy.completeness is not Completeness.STRICT:
        return None
    return f"{tally}: send the {unmet} that {are(unmet)} missing." if unmet else shortfall


def _whole_series(
    contents: StudyContents, choice: CtChoice, shortfall: str | None
) -> tuple[Remark, ...]:
    """Return what is to be told when a whole series is used instead of a list."""
    tally, unmet = _tally(contents, choice)
    count = _count(choice.slices, "slice")
    how = f"by {IN_WORDS[choice.decided_by]}" if choice.decided_by else "as the only CT series"
    if unmet:
        remarks = [Remark("list-unmet", f"{tally}; matched with {count} {how}.")]
    elif _listed(choice):
        sentence = (
            f"The RTSTRUCT lists {_count(choice.listed, 'CT instance')}, all of them with "
            f"contours, so that its CT may have more: the whole series of {count} is used."
        )
        remarks = [Remark("contoured-slices-listed", sentence)]
    else:
        sentence = (
            f"The RTSTRUCT lists no instance of the CT: a whole series of {count} is used, "
            f"chosen {how}."
        )
        remarks = [Remark("no-list", sentence)]
    if shortfall:
        remarks.append(Remark("ring-cut", f"{shortfall.partition(': send')[0]}."))
    if contents.damaged:
        sentence = (
            f"{_instances(len(contents.damaged))} received damaged and quarantined, outside the "
            "slices that are used."
        )
        remarks.append(Remark("damaged-elsewhere", sentence))
    return tuple(remarks)


def _tally(contents: StudyContents, choice: CtChoice) -> tuple[str, int]:
    """Return how many of the listed instances are here in words, and how many are not."""
    here = {one.sop_instance_uid for one in contents.ct}.intersection(choice.listed)
    tally = (
        f"The RTSTRUCT lists {_count(choice.listed, 'CT instance')}, of which {len(here)} "
        f"{are(len(here))} here"
    )
    return tally, len(choice.listed) - len(here)


def _doubts(contents: StudyContents, choice: CtChoice) -> tuple[Remark, ...]:
    """Return what the RTSTRUCT says of its CT that speaks against the series that was chosen."""
    remarks = []
    series = {
        one.series_instance_uid
        for one in contents.ct
        if one.sop_instance_uid in choice.listed and not one.is_localizer
    }
    if len(series) > 1 and choice.decided_by:
        sentence = (
            f"The RTSTRUCT lists {len(series)} CT series: one is used, "
            f"chosen by {IN_WORDS[choice.decided_by]}."
        )
        remarks.append(Remark("several-series-listed", sentence))
    is_met = not _tally(contents, choice)[1]
    for evidence, code in _SERIES_CODES.items():
        answer, words = choice.answers[evidence], IN_WORDS[evidence]
        if answer is Answer.NAMES_ANOTHER and choice.decided_by:
            sentence = (
                f"The CT was chosen by {IN_WORDS[choice.decided_by]}, but another CT series is "
                f"meant by {words}: check on which the GTV was drawn."
            )
            remarks.append(Remark(f"{code}-contradict", sentence))
        elif answer is Answer.NAMES_NONE_HERE and (is_met or evidence is Evidence.LISTED_SERIES):
            sentence = f"No CT that is here is meant by {words}, expected the one that is used."
            remarks.append(Remark(f"{code}-not-here", sentence))
    return tuple(remarks)


def _several(rtstructs: Sequence[RtstructInstance]) -> tuple[Remark, ...]:
    if len(rtstructs) == 1:
        return ()
    found = f"The study holds {counted(len(rtstructs), 'RTSTRUCT')}"
    used = "the newest by structure set date and time is used"
    last = max(map(_made_at, rtstructs))
    if (equal := sum(_made_at(one) == last for one in rtstructs)) > 1:
        used = (
            f"{equal} of them have the same newest structure set date and time, or none, and the "
            "one with the largest SOP Instance UID is used: check that it is the one in use"
        )
    told = f"{found}: {used}."
    approval = newest(rtstructs).manifest.approval
    if approval not in {"", "APPROVED"} and any(
        one.manifest.approval == "APPROVED" for one in rtstructs
    ):
        told += (
            f" It is {approval} by its Approval Status (300E,0002), and an older one is APPROVED: "
            "check which of them is in use, and send that one with a later date."
        )
    return (Remark("several-rtstructs", told),)


def _without_ct(contents: StudyContents) -> str:
    if contents.ct_of_another_patient:
        return (
            "The CT that the RTSTRUCT lists is here under another Patient ID, or without one: "
            "correct the patient at the source and send both again."
        )
    manifest = newest(contents.rtstructs).manifest
    if manifest.other_classes and not manifest.referenced_sop_instance_uids:
        kinds = " and ".join(UID(one).name for one in manifest.other_classes)
        return (
            f"An RTSTRUCT has arrived that names images of {kinds}, expected CT Image Storage, "
            "which alone is taken: send the CT as single slices of that SOP Class, and the "
            "RTSTRUCT that was drawn on them."
        )
    slices = "no CT slice but a localizer" if contents.ct else "no CT slice"
    return (
        f"An RTSTRUCT has arrived but {slices}{_damage_note(len(contents.damaged))}: send "
        "the CT series on which it was drawn, of the same patient."
    )


def _without_rtstruct(contents: StudyContents) -> str:
    if not contents.ct and not contents.damaged:
        return (
            "None of its instances is here any more: they came again in another study, which is "
            "decided by itself, or their files are gone."
        )
    if not contents.ct:
        return (
            f"{_instances(len(contents.damaged))} received damaged and quarantined, and nothing "
            "else has arrived: send the study again from an undamaged copy."
        )
    count = len(contents.ct)
    return (
        f"{counted(count, 'CT slice')} {'has' if count == 1 else 'have'} arrived but no RTSTRUCT"
        f"{_damage_note(len(contents.damaged))}: send the RTSTRUCT that was drawn on them, "
        "of the same patient."
    )


def _damage_note(count: int) -> str:
    return f" ({_instances(count)} received damaged and quarantined)" if count else ""


def _count(things: Sequence[object], word: str) -> str:
    return counted(len(things), word)


def _instances(count: int) -> str:
    return f"{counted(count, 'instance')} {were(count)}"
