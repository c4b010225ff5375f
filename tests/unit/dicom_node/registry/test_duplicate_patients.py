"""A patient who may be counted twice is an incident, once, and everything is kept."""

from __future__ import annotations

import pytest

from dicom_node.errors import IncidentKind
from dicom_node.pseudonym import patient_key
from tests.support.intake_bench import KEY, Bench, ct_slice, whole_study


def test_a_ct_that_two_centres_send_is_an_incident_once_and_both_are_kept(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    assert bench.registry.incidents.latest() == []
    for _ in range(2):
        bench.push(*slices, drawn, center_name="beta")
    (incident,) = bench.registry.incidents.latest()
    assert (incident.kind, incident.center) == (IncidentKind.SHARED_CT, "beta")
    assert incident.sentence == (
        "CT instances of this study came from centre alpha too, under the same SOP Instance UIDs: "
        "one patient must not count at two centres, nor train and validate; ask both whose patient "
        "it is, and exclude the other's study"
    )
    assert {one.study_key for one in bench.registry.studies.summaries("beta")} == {incident.subject}
    assert bench.registry.outbox.counts()["waiting"] == 2


@pytest.mark.parametrize("written", ["LUNG-7", "lung-7", "Lung-7"])
def test_a_patient_id_in_other_letter_case_is_an_incident_that_names_the_other_study(
    bench: Bench, written: str
) -> None:
    first = "lung-7" if written != "lung-7" else "Lung-7"
    bench.push(ct_slice(0, patient=first))
    bench.push(ct_slice(0, patient="LUNG-71", study="1.2.6", series="1.2.6.1"))
    (other,) = (
        one.study_key
        for one in bench.registry.studies.summaries()
        if one.patient_key == patient_key(KEY, "alpha", first)
    )
    elsewhere = ct_slice(0, patient=written, study="1.2.8", series="1.2.8.1")
    bench.push(elsewhere, center_name="beta")
    assert bench.registry.incidents.latest() == []
    bench.push(ct_slice(0, patient=written, study="1.2.9", series="1.2.9.1"))
    (incident,) = bench.registry.incidents.latest()
    assert (incident.kind, incident.center) == (IncidentKind.SIMILAR_PATIENT_ID, "alpha")
    assert incident.sentence == (
        f"The Patient ID of this study differs from that of study {other} in upper and lower case "
        "only: what differs so counts as two patients. If it is one, correct the Patient ID at the "
        "source and send the study again."
    )
    assert len({one.patient_key for one in bench.registry.studies.summaries("alpha")}) == 3


def test_one_study_under_a_patient_id_in_two_letter_cases_is_an_incident(bench: Bench) -> None:
    bench.push(ct_slice(0, patient="Lung-7"), ct_slice(1, patient="LUNG-7"), ct_slice(2))
    (incident,) = bench.registry.incidents.latest()
    assert incident.sentence.startswith("The Patient ID of this study differs among its objects")
