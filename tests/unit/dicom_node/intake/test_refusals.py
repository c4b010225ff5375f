"""Every refusal has the status that the standard gives it."""

from __future__ import annotations

import pytest

from dicom_node import errors
from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.errors import NodeError
from dicom_node.intake.refusals import REFUSALS, is_delivered, is_warning, status_of

# PS3.4 table B.2-1 and PS3.7 annex C, typed here a second time.
EXPECTED = [
    (errors.LowDiskError("x"), 0xA700),
    (errors.ArchiveError("x"), 0xA701),
    (errors.RegistryUnavailableError("x"), 0xA702),
    (errors.OversizedObjectError("x"), 0xA703),
    (errors.IdentityMismatchError("x"), 0xA900),
    (errors.UnreadableDatasetError("x"), 0xC000),
    (DamagedInstanceError("x"), 0xC001),
    (errors.ConflictingContentError("x"), 0xC002),
    (errors.UnsupportedClassError("x"), 0x0122),
    (errors.UnsupportedSyntaxError("x"), 0xC122),
    (errors.UnknownStudyError("x"), 0x0110),
]


@pytest.mark.parametrize(("error", "status"), EXPECTED)
def test_each_error_is_answered_with_its_status(error: NodeError, status: int) -> None:
    assert status_of(error) == status


def test_no_row_is_hidden_by_an_earlier_one_and_none_is_a_success() -> None:
    for index, refusal in enumerate(REFUSALS):
        assert not any(issubclass(refusal.error, earlier.error) for earlier in REFUSALS[:index])
        assert not is_delivered(refusal.status)


def test_every_error_that_a_peer_can_cause_names_its_incident() -> None:
    leaves: list[type[NodeError]] = [
        errors.UnreadableDatasetError,
        DamagedInstanceError,
        errors.IdentityMismatchError,
    ]
    leaves += [errors.ConflictingContentError, errors.LowDiskError, errors.RegistryUnavailableError]
    assert len({leaf.kind for leaf in leaves} - {None}) == len(leaves)


@pytest.mark.parametrize(
    ("status", "delivered", "warning"),
    [
        (0x0000, True, False),
        (0xB000, True, True),
        (0xB007, True, True),
        (0x0107, True, True),
        (0x0111, True, True),
        (0xA700, False, False),
        (0xC001, False, False),
        (0x0122, False, False),
        (0xFE00, False, False),
    ],
)
def test_success_and_warning_mean_that_the_peer_has_the_object(
    status: int, *, delivered: bool, warning: bool
) -> None:
    assert (is_delivered(status), is_warning(status)) == (delivered, warning)
